"""The ``respond`` functions of the faults: each returns the reply that is sent instead of the honest one."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.faults.replies import FullReply, NoReply, Reply, SlowReply, TruncatedReply
from sandbox.problems import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.faults.incident import Incident
    from sandbox.messages import Json

    Respond = Callable[[Incident], Reply]

_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found"}  # published
_KEY_LENGTH = 10_000  # characters


def honest(incident: Incident) -> Reply:
    return FullReply.of(incident.answer)


def reset(_incident: Incident) -> Reply:
    return NoReply()


def go_down(incident: Incident) -> Reply:
    incident.gate.shut(incident.seconds)
    return NoReply()


def hang(incident: Incident) -> Reply:
    return NoReply(incident.seconds)


def slow(incident: Incident) -> Reply:
    return SlowReply(FullReply.of(incident.answer), incident.seconds)


def huge(incident: Incident) -> Reply:
    """Send the honest answer after many spaces. 204 becomes 200, because 204 cannot have a body."""
    answer = FullReply.of(incident.answer)
    status = HTTPStatus.OK if answer.status == HTTPStatus.NO_CONTENT else answer.status
    return replace(answer, status=status, padding=int(incident.options["size"]))


def error(status: int) -> Respond:
    """Send the error in Cerby's published shape."""

    def reply(_incident: Incident) -> Reply:
        return _error(status)

    return reply


def html(status: int) -> Respond:
    """Send an error page in HTML, as a gateway does."""

    def reply(_incident: Incident) -> Reply:
        title = f"{status} {HTTPStatus(status).phrase}"
        page = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return FullReply(status, page.encode(), "text/html")

    return reply


def redirect(status: int) -> Respond:
    def reply(incident: Incident) -> Reply:
        return FullReply(status, headers=(("Location", str(incident.options["target"])),))

    return reply


def too_many_for_seconds(incident: Incident) -> Reply:
    return _error(429, (("Retry-After", str(round(incident.seconds))),))


def too_many_until(incident: Incident) -> Reply:
    until = incident.now + timedelta(seconds=incident.seconds)
    return _error(429, (("Retry-After", format_datetime(until, usegmt=True)),))


def empty(incident: Incident) -> Reply:
    return replace(FullReply.of(incident.answer), body=b"")


def truncated(incident: Incident) -> Reply:
    return TruncatedReply(FullReply.of(incident.answer))


def half_json(incident: Incident) -> Reply:
    answer = FullReply.of(incident.answer)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def wrong_type(incident: Incident) -> Reply:
    return replace(FullReply.of(incident.answer), content_type="text/html")


def with_status(status: int) -> Respond:
    def reply(incident: Incident) -> Reply:
        return replace(FullReply.of(incident.answer), status=status)

    return reply


def no_content(_incident: Incident) -> Reply:
    return FullReply(HTTPStatus.NO_CONTENT)


def without_id(incident: Incident) -> Reply:
    return _with_resource(incident, lambda resource: resource.pop("id", None))


def without_key(incident: Incident) -> Reply:
    return _with_resource(incident, lambda resource: resource["attributes"].pop("key", None))


def known_id(incident: Incident) -> Reply:
    """Replace the id by the id of the oldest other key."""

    def edit(resource: Json) -> None:
        others = [key["id"] for key in incident.workspace.api_keys() if key["id"] != resource["id"]]
        resource["id"] = others[0] if others else resource["id"]

    return _with_resource(incident, edit)


def long_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: key.ljust(_KEY_LENGTH, "x"))


def blank_in_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: f"{key[:10]} {key[10:]}\n")


def non_ascii_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: key[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}")


def _with_key(incident: Incident, change: Callable[[str], str]) -> Reply:
    def edit(resource: Json) -> None:
        resource["attributes"]["key"] = change(resource["attributes"]["key"])

    return _with_resource(incident, edit)


def _with_resource(incident: Incident, edit: Callable[[Json], object]) -> Reply:
    """Return the honest answer with its resource changed by ``edit``."""
    payload = deepcopy(incident.answer.payload) or {}
    edit(payload["data"])
    return replace(FullReply.of(incident.answer), body=json.dumps(payload).encode())


def _error(status: int, headers: tuple[tuple[str, str], ...] = ()) -> FullReply:
    known, detail = HTTPStatus(status), "The sandbox was told to answer so."
    code = _CODES.get(status, known.phrase.lower().replace(" ", "_").replace("-", "_"))
    problem = invalid(("data",), detail) if known == HTTPStatus.BAD_REQUEST else ApiError(known, code, detail)
    return FullReply.of_json(status, problem.payload(), headers)
