"""Describe a call to Cerby and its outcome, and turn failures into errors for people."""

from __future__ import annotations

import codecs
import enum
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

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

_DEFAULT_PAUSE, _MAX_PAUSE = 300, 3600  # seconds; Cerby (published): "retry in five minutes"
_MAX_QUOTE = 300
LARGEST_RESOURCE = 512 * 1024
LARGEST_PAGE = 1024 * 1024
LARGEST_PAGE_OF_KEYS = 3 * 1024 * 1024
"""Bytes. A hundred people take some 60 KB, and a hundred keys with a thousand scopes each some 2.5 MB."""
LARGEST_REFUSAL = 64 * 1024
_OVERLOADED = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
# With these statuses a server gives up on a request, or rejects it as too early, but may have carried it out.
_MAYBE_DONE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


@dataclass(frozen=True)
class Call:
    """A request.

    ``doing`` completes "Cerby refused to …". ``ok``: the statuses of success. ``manages_keys``: the call
    needs the bearer token. ``conflict_is_doubt``: a 409 does not prove that nothing was done. ``quotes``:
    Cerby's message may be shown to a person. ``within``: seconds for the call, if fewer than usual, because a
    person waits and can do without the answer. ``largest``: bytes of the answer. ``is_extra``: the portal can
    do without the call, so a 401 raises no alert: the credential may lack this scope on purpose.
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
    within: float = math.inf
    largest: int = LARGEST_RESOURCE
    is_extra: bool = False

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class Answer:
    """An answer whose status arrived. ``flaw``: why its body is incomplete, or ""."""

    status: int
    media_type: str
    retry_after: str
    body: bytes = field(repr=False)
    flaw: str = ""


class Stage(enum.Enum):
    """How far a call without a usable answer got."""

    NOT_SENT = enum.auto()
    CUT = enum.auto()
    UNUSABLE = enum.auto()


@dataclass(frozen=True)
class Lost:
    """A call without a usable answer. ``reason`` completes "Cerby's answer cannot be used: …"."""

    stage: Stage
    reason: str


_PAGES = {"text/html", "application/xhtml+xml"}


def is_web_page(answer: Answer) -> bool:
    """Return whether the answer is a page for people, whatever type it claims: it is not Cerby's API.

    A proxy or a sign-in page sends such pages with any status. With 429 and 5xx the status alone counts.
    """
    counts = (
        answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.TOO_MANY_REQUESTS
    )
    is_page = answer.media_type in _PAGES or answer.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"
    return counts and is_page and not _is_redirect(answer.status)


def web_page(call: Call, status: int) -> CerbyInDoubt:
    """Return the error for an answer that is a web page."""
    advice = "Ask a portal administrator to check CERBY_BASE_URL and any proxy."
    reason = f"a web page (status {status}) came back, not Cerby's API"
    if call.writes:
        return CerbyInDoubt(f"Cerby may or may not have managed to {call.doing}: {reason}. {advice}")
    return CerbyInDoubt(f"The portal asked Cerby to {call.doing}, but {reason}. {advice}")


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def worth_repeating(outcome: Answer | Lost) -> bool:
    """Return whether repeating a read at once may help."""
    if isinstance(outcome, Lost):
        return outcome.stage is not Stage.UNUSABLE
    return outcome.status in _OVERLOADED


def retry_after_seconds(retry_after: str) -> int | None:
    """Convert a Retry-After header (a number or an HTTP date) to seconds. Return None if it is unusable."""
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:9]), _MAX_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(min(max((moment - datetime.now(UTC)).total_seconds(), 0), _MAX_PAUSE))


def without_credential(call: Call) -> CerbyUnauthorized:
    needed = "CERBY_TOKEN" if call.manages_keys else "CERBY_API_KEY or CERBY_TOKEN"
    return CerbyUnauthorized(
        f"The portal has no credential to {call.doing}, so it sent Cerby nothing. "
        f"Ask a portal administrator to set {needed}.",
        upstream_status=HTTPStatus.UNAUTHORIZED,
        code="no_credential",
    )


def not_published(call: Call) -> CerbyRefused:
    """Return the error for a call that Cerby does not publish, if the portal must not make such calls."""
    return CerbyRefused(
        f"Cerby publishes no call to {call.doing}, so the portal sent nothing. Do it in Cerby's web app.",
        upstream_status=HTTPStatus.NOT_FOUND,
        code="not_published",
    )


def in_doubt(call: Call, reason: str) -> CerbyInDoubt:
    """Return the error for a call that Cerby may or may not have carried out."""
    if call.writes:
        return CerbyInDoubt(
            f"Cerby may or may not have managed to {call.doing}: {reason}. "
            "Check in Cerby before you try again."
        )
    return CerbyInDoubt(f"The portal asked Cerby to {call.doing}, but {reason}. Try again in a minute.")


def error(call: Call, outcome: Answer | Lost, *, hide: Iterable[str]) -> CerbyError:
    """Return the error for an unsuccessful outcome. Its message contains no credential of ``hide``."""
    if isinstance(outcome, Lost):
        return _lost(call, outcome)
    status = outcome.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _too_many(call, outcome.retry_after)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and not _doubtful(call, status):
        return _refused(call, outcome, hide)
    if _is_redirect(status):
        return _redirected(call)
    return in_doubt(call, f"it answered with status {status}")


def _doubtful(call: Call, status: int) -> bool:
    if status == HTTPStatus.CONFLICT:
        return call.conflict_is_doubt
    return call.writes and status in _MAYBE_DONE


def _lost(call: Call, lost: Lost) -> CerbyError:
    if lost.stage is Stage.UNUSABLE or (lost.stage is Stage.CUT and call.writes):
        return in_doubt(call, lost.reason)
    nothing = "nothing was changed" if call.writes else "nothing was read"
    needs_help = "TLS certificate" in lost.reason or "CERBY_CA_FILE" in lost.reason
    advice = "Ask a portal administrator." if needs_help else "Try again in a minute."
    return CerbyNeverReached(
        f"Cerby could not be asked to {call.doing}: {lost.reason}, so {nothing}. {advice}"
    )


def _redirected(call: Call) -> CerbyError:
    if call.writes:
        return in_doubt(call, "it answered with a redirect, which the portal does not follow")
    return CerbyError(
        f"The portal asked Cerby to {call.doing}, but it answered with a redirect, which is not followed. "
        "Ask a portal administrator to check CERBY_BASE_URL."
    )


def _too_many(call: Call, retry_after: str) -> CerbyTooMany:
    given = retry_after_seconds(retry_after)
    pause = _DEFAULT_PAUSE if given is None else max(given, 1)
    minutes = -(-pause // 60)
    when = "a minute" if minutes == 1 else f"{minutes} minutes"
    return CerbyTooMany(
        f"Cerby did not {call.doing}: it received too many requests and asked the portal to wait. "
        f"Try again in {when}.",
        retry_after=pause,
    )


def _refused(call: Call, answer: Answer, hide: Iterable[str]) -> CerbyRefused:
    code, detail = wire.problem(answer.body)
    quote = f" It says: “{_quotable(detail, hide)}”" if detail and call.quotes else ""
    kind, advice = _REFUSALS.get(answer.status, (CerbyRefused, "Nothing was done."))
    if answer.status == HTTPStatus.NOT_FOUND and call.method == "POST":
        advice = "This server may not offer it. Ask a portal administrator to check CERBY_BASE_URL."
    if answer.status == HTTPStatus.UNAUTHORIZED and call.manages_keys:
        advice = (
            "The portal's bearer token is not accepted; such tokens live one hour. "
            "Ask a portal administrator to renew CERBY_TOKEN."
        )
    return kind(
        f"Cerby refused to {call.doing} (status {answer.status}).{quote} {advice}",
        upstream_status=answer.status,
        code=_quotable(code, hide)[:60],
    )


_REFUSALS: dict[int, tuple[type[CerbyRefused], str]] = {
    HTTPStatus.UNAUTHORIZED: (
        CerbyUnauthorized,
        "The portal's credential has expired, was deleted, or lacks a scope. Ask a portal administrator.",
    ),
    HTTPStatus.FORBIDDEN: (
        CerbyForbidden,
        "The person behind the portal's credential may not do this. Ask a workspace Owner or Super Admin.",
    ),
    HTTPStatus.NOT_FOUND: (CerbyNotFound, "It may have been deleted. Check in Cerby."),
    HTTPStatus.CONFLICT: (
        CerbyConflict,
        "Its present state does not allow it. Reload the page and look again.",
    ),
}


def _quotable(message: str, hide: Iterable[str]) -> str:
    """Return Cerby's message on one line, without credentials, cut to 300 characters."""
    for credential in hide:
        message = message.replace(credential, "[hidden]")
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in message)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_QUOTE else line[: _MAX_QUOTE - 1] + "…"
