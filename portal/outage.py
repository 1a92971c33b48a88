"""Recognise a database that cannot serve, and answer 503 for it in a page, a fragment or JSON."""

from __future__ import annotations

import sys
from http import HTTPStatus

import structlog
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import get_template
from django.views.defaults import server_error

logger = structlog.get_logger(__name__)

_POSTGRESQL = ("08", "53", "57P", "57014", "58", "25006", "25P03", "40", "55P03")
"""The start of SQLSTATE: connection, resources such as a full disk, shutdown or start, cancelled statement,
input and output, read-only, idle too long, deadlock, lock not available."""
_SQLITE = frozenset({5, 6, 7, 8, 10, 11, 13, 14, 15, 26})
"""BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB."""

UNTOUCHED = "The portal cannot reach its database. Nothing was changed or lost. Try again in a minute."
UNKNOWN = (
    "The portal lost its database while it worked on this step, so it does not know whether the step was "
    "done. Look at the key's status before you try again."
)


def is_outage(error: BaseException | None) -> bool:
    """Return whether the database cannot serve now, as opposed to a statement that is wrong."""
    if not isinstance(error, Error):
        return False
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_POSTGRESQL)
    return isinstance(error, OperationalError | InterfaceError)


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Answer an exception from anywhere: 503 for an outage, else Django's page."""
    if is_outage(sys.exc_info()[1]):
        return answer(request, began=True)
    return server_error(request)


def answer(request: HttpRequest, *, began: bool) -> HttpResponse:
    """Return the answer. ``began``: the outage came after the request had begun to use the database."""
    logger.error("database_away", exc_info=sys.exc_info()[1] is not None)
    is_unknown = began and request.method not in {"GET", "HEAD", "OPTIONS"}
    sentence = UNKNOWN if is_unknown else UNTOUCHED
    is_fragment = "HX-Request" in request.headers
    status = HTTPStatus.SERVICE_UNAVAILABLE
    response: HttpResponse
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        response = JsonResponse({"title": "Back in a moment", "sentence": sentence}, status=status)
    else:
        page = get_template("503.html#message" if is_fragment else "503.html").render({"sentence": sentence})
        response = HttpResponse(page, status=status)
    response["Retry-After"] = "60"
    response["Cache-Control"] = "no-store"
    if is_fragment:
        response["HX-Retarget"], response["HX-Reswap"] = "#messages", "innerHTML"
    return response
