"""What a fault answers in the place of the workspace."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.faults.replies import Answer, Cut, Drip, Reply, Silence
from sandbox.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.faults.incident import Incident
    from sandbox.messages import Json

    Replying = Callable[[Incident], Reply]

_CODES = {400: "validation_error", 401: "unauthorized", 403: "forbidden", 404: "not_found"}  # published
_TOO_LONG = 10_000  # characters


def honest(incident: Incident) -> Reply:
    return Answer.of(incident.answer)


def reset(_incident: Incident) -> Reply:
    return Silence()


def go_down(incident: Incident) -> Reply:
    incident.gate.shut(incident.seconds)
    return Silence()


def hang(incident: Incident) -> Reply:
    return Silence(incident.seconds)


def slow(incident: Incident) -> Reply:
    return Drip(Answer.of(incident.answer), incident.seconds)


def huge(incident: Incident) -> Reply:
    """The honest answer at the end of many spaces; 204 becomes 200, since it can have no body."""
    answer = Answer.of(incident.answer)
    status = HTTPStatus.OK if answer.status == HTTPStatus.NO_CONTENT else answer.status
    return replace(answer, status=status, padding=int(incident.options["size"]))


def error(status: int) -> Replying:
    """The error in Cerby's published shape."""

    def reply(_incident: Incident) -> Reply:
        return _error(status)

    return reply


def html(status: int) -> Replying:
    """A gateway's page."""

    def reply(_incident: Incident) -> Reply:
        words = f"{status} {HTTPStatus(status).phrase}"
        page = f"<!doctype html><html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
        return Answer(status, page.encode(), "text/html")

    return reply


def redirect(status: int) -> Replying:
    def reply(incident: Incident) -> Reply:
        return Answer(status, headers=(("Location", str(incident.options["target"])),))

    return reply


def too_many_for_seconds(incident: Incident) -> Reply:
    return _error(429, (("Retry-After", str(round(incident.seconds))),))


def too_many_until(incident: Incident) -> Reply:
    until = incident.now + timedelta(seconds=incident.seconds)
    return _error(429, (("Retry-After", format_datetime(until, usegmt=True)),))


def empty(incident: Incident) -> Reply:
    return replace(Answer.of(incident.answer), body=b"")


def truncated(incident: Incident) -> Reply:
    return Cut(Answer.of(incident.answer))


def half_json(incident: Incident) -> Reply:
    answer = Answer.of(incident.answer)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def wrong_type(incident: Incident) -> Reply:
    return replace(Answer.of(incident.answer), content_type="text/html")


def with_status(status: int) -> Replying:
    def reply(incident: Incident) -> Reply:
        return replace(Answer.of(incident.answer), status=status)

    return reply


def no_content(_incident: Incident) -> Reply:
    return Answer(HTTPStatus.NO_CONTENT)


def without_id(incident: Incident) -> Reply:
    return _edited(incident, lambda resource: resource.pop("id", None))


def without_key(incident: Incident) -> Reply:
    return _edited(incident, lambda resource: resource["attributes"].pop("key", None))


def known_id(incident: Incident) -> Reply:
    """The id of the oldest other key."""

    def edit(resource: Json) -> None:
        others = [key["id"] for key in incident.workspace.api_keys() if key["id"] != resource["id"]]
        resource["id"] = others[0] if others else resource["id"]

    return _edited(incident, edit)


def long_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: key.ljust(_TOO_LONG, "x"))


def blank_in_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: f"{key[:10]} {key[10:]}\n")


def non_ascii_key(incident: Incident) -> Reply:
    return _with_key(incident, lambda key: key[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}")


def _with_key(incident: Incident, change: Callable[[str], str]) -> Reply:
    def edit(resource: Json) -> None:
        resource["attributes"]["key"] = change(resource["attributes"]["key"])

    return _edited(incident, edit)


def _edited(incident: Incident, edit: Callable[[Json], object]) -> Reply:
    """The honest answer with its resource changed."""
    payload = deepcopy(incident.answer.payload) or {}
    edit(payload["data"])
    return replace(Answer.of(incident.answer), body=json.dumps(payload).encode())


def _error(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    known = HTTPStatus(status)
    code = _CODES.get(status, known.phrase.lower().replace(" ", "_").replace("-", "_"))
    is_invalid = known == HTTPStatus.BAD_REQUEST
    meta = {"loc": ["body"], "msg": "A fault.", "type": "value_error"} if is_invalid else None
    problem = ApiError(known, code, "The sandbox was told to answer so.", meta=meta)
    return Answer.of_json(status, problem.payload(), headers)
