"""One call to Cerby: what is asked, what came of it, and the error that says so to a person."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from keys.cerby import wire
from keys.rules.errors import (
    CerbyConflict,
    CerbyError,
    CerbyForbidden,
    CerbyInDoubt,
    CerbyNeverReached,
    CerbyNotFound,
    CerbyRefused,
    CerbyTooMany,
    CerbyUnauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PAUSE, _LONGEST_PAUSE = 300, 3600  # seconds; Cerby (published): "retry in five minutes"
_LONGEST_DETAIL = 300
_OVERLOADED = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
# What a server says when it gave up on a request, or was given it too early: it may have acted all the same.
_HALF_DONE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


@dataclass(frozen=True)
class Call:
    """One request.

    ``doing`` completes "Cerby refused to …". ``ok``: the statuses of success. ``manages_keys``: only the
    bearer token may do it. ``conflict_is_doubt``: a 409 does not tell that nothing was done. ``quotes``: what
    Cerby says about it may be repeated to a person.
    """

    doing: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = field(default=None, repr=False)
    ok: frozenset[int] = frozenset({HTTPStatus.OK})
    manages_keys: bool = False
    conflict_is_doubt: bool = False
    quotes: bool = True

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class Answer:
    """An answer whose status arrived. ``flaw``: why its body did not arrive whole; empty if it did."""

    status: int
    media_type: str
    retry_after: str
    body: bytes = field(repr=False)
    flaw: str = ""


class Stage(enum.Enum):
    """How far a call came that has no answer to show."""

    NOT_SENT = enum.auto()
    CUT = enum.auto()
    UNUSABLE = enum.auto()


@dataclass(frozen=True)
class Lost:
    """A call without a usable answer. ``why`` completes "Cerby's answer cannot be used: …"."""

    stage: Stage
    why: str


def worth_repeating(outcome: Answer | Lost) -> bool:
    """Whether a read may do better when it is made again at once."""
    if isinstance(outcome, Lost):
        return outcome.stage is not Stage.UNUSABLE
    return outcome.status in _OVERLOADED


def seconds(retry_after: str) -> int | None:
    """A Retry-After header (a number or an HTTP date) in seconds from now; None if it says nothing usable."""
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:9]), _LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(min(max((moment - datetime.now(UTC)).total_seconds(), 0), _LONGEST_PAUSE))


def without_credential(call: Call) -> CerbyUnauthorized:
    needed = "CERBY_TOKEN" if call.manages_keys else "CERBY_API_KEY or CERBY_TOKEN"
    return CerbyUnauthorized(
        f"The portal has no credential with which to {call.doing}, so Cerby was not asked. "
        f"Ask whoever runs the portal to set {needed}.",
        upstream_status=HTTPStatus.UNAUTHORIZED,
        code="no_credential",
    )


def in_doubt(call: Call, why: str) -> CerbyInDoubt:
    """The error of a call that Cerby may or may not have carried out."""
    if call.writes:
        return CerbyInDoubt(
            f"It is not known whether Cerby managed to {call.doing}: {why}. "
            "Look at what Cerby shows before you ask for it again."
        )
    return CerbyInDoubt(f"The portal asked Cerby to {call.doing}, but {why}. Try again in a minute.")


def error(call: Call, outcome: Answer | Lost, *, hide: Iterable[str]) -> CerbyError:
    """The error for an outcome that is no success. ``hide``: credentials that no sentence may repeat."""
    if isinstance(outcome, Lost):
        return _lost(call, outcome)
    status = outcome.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _too_many(call, outcome.retry_after)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and not _doubtful(call, status):
        return _refused(call, outcome, hide)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _redirected(call)
    return in_doubt(call, f"it answered with status {status}")


def _doubtful(call: Call, status: int) -> bool:
    if status == HTTPStatus.CONFLICT:
        return call.conflict_is_doubt
    return call.writes and status in _HALF_DONE


def _lost(call: Call, lost: Lost) -> CerbyError:
    if lost.stage is Stage.UNUSABLE or (lost.stage is Stage.CUT and call.writes):
        return in_doubt(call, lost.why)
    nothing = "nothing was changed" if call.writes else "nothing was read"
    return CerbyNeverReached(
        f"Cerby could not be asked to {call.doing}: {lost.why}, so {nothing}. Try again in a minute."
    )


def _redirected(call: Call) -> CerbyError:
    if call.writes:
        return in_doubt(call, "it answered with a redirect, which the portal does not follow")
    return CerbyError(
        f"The portal asked Cerby to {call.doing}, but it answered with a redirect, which is not followed. "
        "Ask whoever runs the portal to check CERBY_BASE_URL."
    )


def _too_many(call: Call, retry_after: str) -> CerbyTooMany:
    given = seconds(retry_after)
    pause = _PAUSE if given is None else max(given, 1)
    minutes = -(-pause // 60)
    when = "a minute" if minutes == 1 else f"{minutes} minutes"
    return CerbyTooMany(
        f"Cerby did not {call.doing}: it has been asked too often and wants a pause. Try again in {when}.",
        retry_after=pause,
    )


def _refused(call: Call, answer: Answer, hide: Iterable[str]) -> CerbyRefused:
    code, detail = wire.problem(answer.body)
    said = f" It says: “{_quotable(detail, hide)}”" if detail and call.quotes else ""
    kind, advice = _REFUSALS.get(answer.status, (CerbyRefused, "Nothing was done."))
    if answer.status == HTTPStatus.NOT_FOUND and call.method == "POST":
        advice = "This server may not offer it. Ask whoever runs the portal to check CERBY_BASE_URL."
    if answer.status == HTTPStatus.UNAUTHORIZED and call.manages_keys:
        advice = (
            "The portal's bearer token is not accepted; such tokens live one hour. "
            "Ask whoever runs the portal to renew CERBY_TOKEN."
        )
    return kind(
        f"Cerby refused to {call.doing} (status {answer.status}).{said} {advice}",
        upstream_status=answer.status,
        code=_quotable(code, hide)[:60],
    )


_REFUSALS: dict[int, tuple[type[CerbyRefused], str]] = {
    HTTPStatus.UNAUTHORIZED: (
        CerbyUnauthorized,
        "The portal's credential is not accepted, or lacks a scope. Ask whoever runs the portal to check it.",
    ),
    HTTPStatus.FORBIDDEN: (
        CerbyForbidden,
        "The person behind the portal's credential may not do this. Ask a workspace Owner or Super Admin.",
    ),
    HTTPStatus.NOT_FOUND: (CerbyNotFound, "It may have been deleted. Look again at what Cerby shows."),
    HTTPStatus.CONFLICT: (
        CerbyConflict,
        "Its present state does not allow it. Reload the page and look again.",
    ),
}


def _quotable(words: str, hide: Iterable[str]) -> str:
    """Cerby's words, on one line, cut to 300 characters, without credentials."""
    for credential in hide:
        words = words.replace(credential, "[hidden]")
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in words)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"
