"""What a fault does before the workspace is asked: to the request, to its time, or to a key."""

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


def turn_clock(incident: Incident) -> None:
    incident.now += timedelta(seconds=incident.seconds)


def clamp_expiry(incident: Incident) -> None:
    """Rewrite ``expiresAt`` to at most so many seconds from now; a body that cannot be read stays."""
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


def look_back(incident: Incident) -> None:
    incident.request.as_of = stamp(incident.now - timedelta(seconds=incident.seconds))


def lose_a_page(incident: Incident) -> None:
    """Leave out one page; the list's total still counts it."""

    def rearrange(resources: list[Json], size: int) -> list[Json]:
        start = incident.random.randrange(max(1, ceil(len(resources) / size))) * size
        return resources[:start] + resources[start + size :]

    incident.request.rearrange = rearrange


def double_pages(incident: Incident) -> None:
    """Each page twice, one after the other."""

    def rearrange(resources: list[Json], size: int) -> list[Json]:
        starts = range(0, len(resources), size)
        return [resource for start in starts for resource in resources[start : start + size] * 2]

    incident.request.rearrange = rearrange


def shuffle(incident: Incident) -> None:
    """Another order at each request, so that pages overlap and leave out."""

    def rearrange(resources: list[Json], _size: int) -> list[Json]:
        return incident.random.sample(resources, len(resources))

    incident.request.rearrange = rearrange


def remove_key(incident: Incident) -> None:
    _change_a_key(incident, lambda _key: {"removed": True})


def lose_key(incident: Incident) -> None:
    _change_a_key(incident, lambda _key: {"gone": True})


def rescope_key(incident: Incident) -> None:
    _change_a_key(
        incident,
        lambda key: {"scopes": incident.random.sample(sorted(SCOPES - set(key["scopes"].split())), 1)},
    )


def rename_key(incident: Incident) -> None:
    _change_a_key(incident, lambda key: {"name": f"{key['name'][:200]}, renamed"})


def reown_key(incident: Incident) -> None:
    admins = incident.workspace.admin_emails()
    _change_a_key(
        incident,
        lambda key: {"owner_email": incident.random.choice([one for one in admins if one != key["email"]])},
    )


def _change_a_key(incident: Incident, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the key that the request is about, else any live one that was made with an ``externalId``.

    The others are left alone: a demo's own credentials are among them.
    """
    keys = [
        key
        for key in incident.workspace.api_keys()
        if key["status"] == "active" and key["external_id"] is not None
    ]
    asked_for = [key for key in keys if incident.request.path.endswith(f"/{key['id']}")]
    candidates = asked_for or keys
    if candidates:
        key = incident.random.choice(candidates)
        incident.workspace.change_key(key["id"], **change(key))
