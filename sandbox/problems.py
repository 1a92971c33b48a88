"""The API's errors, in the shape that Cerby publishes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# Published: an error's `status` is text for these two, and a number for 401 and 404.
_STATUS_AS_TEXT = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN})


class ApiError(Exception):
    """One entry of ``{"errors": [...]}``, with the HTTP status and headers of its response."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        meta: dict[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.meta = meta
        self.headers = headers

    def payload(self) -> dict[str, Any]:
        status = int(self.status)
        error = {
            "code": self.code,
            "title": self.code,
            "detail": self.detail,
            "status": str(status) if self.status in _STATUS_AS_TEXT else status,
            "meta": self.meta,
        }
        return {"errors": [error]}


def invalid(loc: Sequence[str | int], msg: str, kind: str = "value_error") -> ApiError:
    """Return a 400 whose ``detail`` is the validator's sentence (published).

    ``loc`` is the path to the input, such as ``("data",)`` or ``("filter[status]", 0)``.
    """
    meta = {"loc": list(loc), "msg": msg, "type": kind}
    return ApiError(HTTPStatus.BAD_REQUEST, "validation_error", msg, meta=meta)


def missing(loc: Sequence[str | int]) -> ApiError:
    return invalid(loc, "field required", "value_error.missing")


def unauthorized() -> ApiError:
    """Return a 401. The text is the same for every cause, so that guessing a key reveals nothing."""
    detail = "The credential is missing, unknown, expired or deleted, or lacks the scope this needs."
    return ApiError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)


def forbidden(detail: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, "forbidden", detail)


def not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is no such resource.")


def method_not_allowed(allowed: Sequence[str]) -> ApiError:
    allow = ", ".join(sorted(allowed))
    detail = f"This address answers {allow} only."
    return ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, headers=(("Allow", allow),))


def conflict(detail: str) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, "conflict", detail)


def too_large(limit: int) -> ApiError:
    """Return a 413. ``limit`` is in bytes."""
    detail = f"A request's body may have at most {limit} bytes."
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large", detail)


def too_many_requests() -> ApiError:
    """Return a 429 without numbers or headers, as Cerby does (published)."""
    detail = "Too many requests. Retry in five minutes."
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", detail)


def internal() -> ApiError:
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The sandbox failed.")
