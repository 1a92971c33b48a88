"""JSON lines, one per request and one per thing worth knowing, holding only fields allowed by name."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponseBase

FIELDS = frozenset(
    {
        "timestamp", "level", "logger", "event", "request_id", "method", "route", "status", "milliseconds",
        "user_id", "key_id", "cerby_id", "error", "job", "count",
    }
)  # fmt: skip
"""What may be logged. A field that is not here is dropped: no secret can arrive by accident."""


def _allowed_fields_only(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: value for name, value in entry.items() if name in FIELDS}


def _where(_logger: Any, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of an exception from Django or a library: its type and the place, never its text or its variables."""
    kind, _, trace = sys.exc_info()
    if kind is not None:
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        entry["error"] = f"{kind.__name__} at {place}"
    return entry


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _where,
]

structlog.configure(
    processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def _message_template_only(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A library's record keeps its template, "Not Found: %s", and loses what was filled in."""
    record = entry.get("_record")
    if record is not None and entry.get("_from_structlog") is False:
        # Django's security log formats what a client sent into the message itself; an exception may be one.
        is_formatted = record.name.startswith("django.security") or not isinstance(record.msg, str)
        entry["event"] = record.name if is_formatted else str(record.msg)[:200]
    return entry


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED,
            "processors": [
                _message_template_only,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _allowed_fields_only,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "django_tasks": {"level": "WARNING"},  # tells of each task's start and end, without its name
        "urllib3": {"level": "ERROR"},  # its warnings name URLs
        "psycopg.pool": {"level": "ERROR"},  # warns of each attempt; who needed the connection says it once
    },
}

requests_log = structlog.get_logger("portal.requests")


class RequestLogMiddleware:
    """One line per request: the route, never the path or the query, which may hold what was typed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex)
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        requests_log.info(
            "request",
            method=request.method,
            route=match.view_name if match else "",
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            user_id=getattr(getattr(request, "user", None), "pk", None),
        )
        return response
