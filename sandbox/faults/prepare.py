"""The ``prepare`` functions of the faults: each changes the request, its time or a key beforehand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from sandbox.moments import stamp
from sandbox.vocabulary import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.faults.incident import Incident
    from sandbox.messages import Json


def shift_clock(incident: Incident) -> None:
    incident.now += timedelta(seconds=incident.seconds)


def clamp_expiry(incident: Incident) -> None:
    """Limit ``expiresAt`` to some seconds from now. Leave a body alone that cannot be read."""
    latest = incident.now + timedelta(seconds=incident.seconds)
    try:
        document = json.loads(incident.request.take_body())
        attributes = document["data"]["attributes"]
        if datetime.fromisoformat(attributes["expiresAt"]) <= latest:
            return
    except (ValueError, LookupError, TypeError):
        return
    attributes["expiresAt"] = stamp(latest)
    incident.request.give_body(json.dumps(document).encode())


def show_earlier_list(incident: Incident) -> None:
    incident.request.as_of = stamp(incident.now - timedelta(seconds=incident.seconds))


def drop_page(incident: Incident) -> None:
    """Leave out one page, which the list's total still counts."""

    def rearrange(resources: list[Json], size: int) -> list[Json]:
        start = incident.random.randrange(max(1, ceil(len(resources) / size))) * size
        return resources[:start] + resources[start + size :]

    incident.request.rearrange = rearrange


def double_pages(incident: Incident) -> None:
    """Repeat each page once."""

    def rearrange(resources: list[Json], size: int) -> list[Json]:
        starts = range(0, len(resources), size)
        return [resource for start in starts for resource in resources[start : start + size] * 2]

    incident.request.rearrange = rearrange


def shuffle(incident: Incident) -> None:
    """Shuffle the list at each request, so that pages repeat some resources and omit others."""

    def rearrange(resources: list[Json], _size: int) -> list[Json]:
        return incident.random.sample(resources, len(resources))

    incident.request.rearrange = rearrange


def remove_key(incident: Incident) -> None:
    _change_key(incident, lambda _key: {"removed": True})


def erase_key(incident: Incident) -> None:
    _change_key(incident, lambda _key: {"gone": True})


def rescope_key(incident: Incident) -> None:
    _change_key(
        incident,
        lambda key: {"scopes": incident.random.sample(sorted(SCOPES - set(key["scopes"].split())), 1)},
    )


def rename_key(incident: Incident) -> None:
    _change_key(incident, lambda key: {"name": f"{key['name'][:200]}, renamed"})


def reown_key(incident: Incident) -> None:
    admins = incident.workspace.admin_emails()
    _change_key(
        incident,
        lambda key: {
            "owner_email": incident.random.choice([email for email in admins if email != key["email"]])
        },
    )


def _change_key(incident: Incident, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the requested key, or else any active key that has an ``externalId``.

    Leave keys without an ``externalId`` alone, because the portal's own key is one of them.
    """
    keys = [
        key
        for key in incident.workspace.api_keys()
        if key["status"] == "active" and key["external_id"] is not None
    ]
    requested = [key for key in keys if incident.request.path.endswith(f"/{key['id']}")]
    candidates = requested or keys
    if candidates:
        key = incident.random.choice(candidates)
        incident.workspace.change_key(key["id"], **change(key))
