"""Read and check the attributes in a request's body."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.moments import read_stamp
from sandbox.problems import ApiError, invalid
from sandbox.vocabulary import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.messages import Json, Request

_PATH = ("body", "data", "attributes")


class Attributes:
    """``data.attributes`` of a body whose ``data.type`` is ``type_name``. All methods raise ApiError 400."""

    def __init__(self, request: Request, type_name: str, allowed: Iterable[str]) -> None:
        document = _object(request.json(), ("body",), {"data"})
        data = _object(document.get("data"), ("body", "data"), {"type", "attributes"})
        if data.get("type") != type_name:
            raise invalid(("body", "data", "type"), f"Use {type_name}.")
        self._values = _object(data.get("attributes"), _PATH, set(allowed))

    def text(self, name: str, *, longest: int) -> str:
        """Return a text that is not blank and has at most ``longest`` characters."""
        value = self._values.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise self._wrong(name, f"Give a text of 1 to {longest} characters.")
        return value

    def choice(self, name: str, allowed: Iterable[str]) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or value not in allowed:
            raise self._wrong(name, f"Use one of {', '.join(sorted(allowed))}.")
        return value

    def scopes(self, name: str) -> list[str]:
        """Return at least one known scope, without duplicates."""
        value = self._values.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "Give a list of at least one scope.")
        unknown = sorted(set(value) - SCOPES)
        if unknown:
            raise self._wrong(name, f"There is no scope {', '.join(unknown)}.")
        if len(set(value)) != len(value):
            raise self._wrong(name, "Give each scope once.")
        return value

    def future(self, name: str, now: str) -> str:
        """Return a stamp later than ``now``."""
        try:
            moment = read_stamp(str(self._values.get(name)))
        except ValueError as error:
            raise self._wrong(name, "Give a time in ISO 8601 with its offset from UTC.") from error
        if moment <= now:
            raise self._wrong(name, "Give a time in the future.")
        return moment

    def optional_uuid(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return str(uuid.UUID(value if isinstance(value, str) else ""))
        except ValueError as error:
            raise self._wrong(name, "Use a UUID.") from error

    def _wrong(self, name: str, message: str) -> ApiError:
        kind = "value_error" if name in self._values else "missing"
        return invalid((*_PATH, name), message, kind)


def wrong_attribute(name: str, message: str) -> ApiError:
    """Return a 400 for an attribute that is well formed, but not acceptable to the workspace."""
    return invalid((*_PATH, name), message)


def _object(value: object, loc: tuple[str, ...], allowed: set[str]) -> Json:
    if not isinstance(value, dict):
        raise invalid(loc, "This must be an object.", "missing" if value is None else "value_error")
    unknown = sorted(set(value) - allowed)
    if unknown:
        raise invalid((*loc, unknown[0]), "This is not known here.", "extra_forbidden")
    return value
