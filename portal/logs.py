"""Write the log as JSON lines that contain only allowed fields."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponseBase

FIELDS = frozenset(
    {
        "timestamp", "level", "logger", "event", "request_id", "method", "route", "status", "milliseconds",
        "user_id", "key_id", "cerby_id", "error", "job", "count",
        "attribute", "call", "reason", "cause",
    }
)  # fmt: skip
"""The fields that may be logged. All other fields are dropped, so that no secret is logged by accident."""


def _allowed_fields_only(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: value for name, value in entry.items() if name in FIELDS}


def _describe_exception(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Log an exception's type and location, but neither its message nor its variables."""
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
    _describe_exception,
]

structlog.configure(
    processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def _message_without_values(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Log a message of our own in full, and a library's with the values that can hold no secret.

    Of "Not Found: %s" only "Not Found: …" is logged, because the value may be user input.
    """
    record = entry.get("_record")
    if record is not None and entry.get("_from_structlog") is False:
        # Django's security log puts client input into the message itself, and the message can be an
        # exception.
        is_formatted = record.name.startswith("django.security") or not isinstance(record.msg, str)
        arguments = entry.get("positional_args")
        entry["event"] = record.name if is_formatted else _rendered(record, arguments)[:200]
    return entry


def _rendered(record: logging.LogRecord, arguments: Any) -> str:
    template = str(record.msg)
    if not arguments:
        return template
    own = record.name.partition(".")[0] in {"keys", "portal", "sandbox"}
    try:
        if isinstance(arguments, Mapping):
            return template % {name: _shown(value, own=own) for name, value in arguments.items()}
        return template % tuple(_shown(value, own=own) for value in arguments)
    except (TypeError, ValueError, KeyError):  # a placeholder does not fit its value
        return template


def _shown(value: Any, *, own: bool) -> Any:
    """Return a value of our ``own``, a number, or the type of an exception; "…" for anything else."""
    if isinstance(value, BaseException):
        return type(value).__name__
    return value if own or isinstance(value, int | float | None) else "…"


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED,
            "pass_foreign_args": True,
            "use_get_message": False,
            "processors": [
                _message_without_values,
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
        "fido2": {"level": "WARNING"},  # logs the id of each passkey that is used
        "django_tasks": {"level": "WARNING"},  # logs each task's start and end, but not its name
        "urllib3": {"level": "ERROR"},  # its warnings contain URLs
        "psycopg.pool": {"level": "ERROR"},  # warns about each attempt
    },
}

requests_log = structlog.get_logger("portal.requests")


class RequestLogMiddleware:
    """Log one line per request: the route, but not the path and query, which may contain user input."""

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
            # The user that a view has read; reading one now would fail if the database is away.
            user_id=getattr(getattr(request, "_cached_user", None), "pk", None),
        )
        return response
