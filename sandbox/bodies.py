"""Read and check the attributes in a request's body.

The sentences and kinds of the errors are those of pydantic 1, whose answers Cerby publishes.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sandbox.moments import read_stamp
from sandbox.problems import ApiError, invalid, missing
from sandbox.vocabulary import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.messages import Json, Request

_PATH = ("data", "attributes")


class Fields:
    """The fields of an object in a body, none of them unknown. All methods raise ApiError 400."""

    def __init__(self, value: object, loc: tuple[str, ...], allowed: Iterable[str]) -> None:
        if value is None:
            raise missing(loc)
        if not isinstance(value, dict):
            raise invalid(loc, "value is not a valid dict", "type_error.dict")
        unknown = sorted(set(value) - set(allowed))
        if unknown:
            raise invalid((*loc, unknown[0]), "extra fields not permitted", "value_error.extra")
        self._values: Json = value
        self._loc = loc

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def part(self, name: str, allowed: Iterable[str]) -> Fields:
        return Fields(self._values.get(name), (*self._loc, name), allowed)

    def text(self, name: str, *, longest: int) -> str:
        """Return a text that is not blank and has at most ``longest`` characters."""
        value = self._required(name)
        if not isinstance(value, str):
            raise self._wrong(name, "str type expected", "type_error.str")
        if not value.strip():
            msg = "ensure this value has at least 1 characters"
            raise self._wrong(name, msg, "value_error.any_str.min_length")
        if len(value) > longest:
            msg = f"ensure this value has at most {longest} characters"
            raise self._wrong(name, msg, "value_error.any_str.max_length")
        return str(value)

    def flag(self, name: str) -> bool:
        value = self._required(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "value could not be parsed to a boolean", "type_error.bool")
        return bool(value)

    def choice(self, name: str, allowed: Iterable[str]) -> str:
        value, options = self._required(name), sorted(allowed)
        if not isinstance(value, str) or value not in options:
            raise self._wrong(name, not_in_enumeration(options), "type_error.enum")
        return str(value)

    def scopes(self, name: str) -> list[str]:
        """Return at least one known scope, without duplicates (our contract)."""
        value = self._required(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "Give a list of at least one scope.")
        unknown = sorted(set(value) - SCOPES)
        if unknown:
            raise self._wrong(name, f"There is no scope {', '.join(unknown)}.")
        if len(set(value)) != len(value):
            raise self._wrong(name, "Give each scope once.")
        return list(value)

    def future(self, name: str, now: str) -> str:
        """Return a stamp later than ``now`` (our contract: the time has an offset)."""
        try:
            moment = read_stamp(str(self._required(name)))
        except ValueError as error:
            raise self._wrong(name, "Give a time in ISO 8601 with its offset from UTC.") from error
        if moment <= now:
            raise self._wrong(name, "Give a time in the future.")
        return moment

    def optional_time(self, name: str) -> str | None:
        """Return a stamp, or None if the attribute is absent. Without an offset, a time is UTC."""
        if name not in self._values:
            return None
        try:
            return read_stamp(str(self._values[name]), needs_offset=False)
        except ValueError as error:
            raise self._wrong(name, "invalid datetime format", "value_error.datetime") from error

    def uuid(self, name: str) -> str:
        value = self._required(name)
        try:
            return str(uuid.UUID(value if isinstance(value, str) else ""))
        except ValueError as error:
            raise self._wrong(name, "value is not a valid uuid", "type_error.uuid") from error

    def optional_uuid(self, name: str) -> str | None:
        return None if self._values.get(name) is None else self.uuid(name)

    def _required(self, name: str) -> Any:
        if name not in self._values:
            raise missing((*self._loc, name))
        return self._values[name]

    def _wrong(self, name: str, message: str, kind: str = "value_error") -> ApiError:
        return invalid((*self._loc, name), message, kind)


def attributes_of(request: Request, type_name: str | None, allowed: Iterable[str]) -> Fields:
    """Return the fields of ``data.attributes``. Raises ApiError 400.

    ``type_name`` is the required ``data.type``; None if the body must not have one (``POST /secrets``).
    """
    data = data_of(request, {"attributes"} if type_name is None else {"type", "attributes"})
    if type_name is not None:
        data.choice("type", [type_name])
    return data.part("attributes", allowed)


def data_of(request: Request, allowed: Iterable[str]) -> Fields:
    """Return the fields of ``data``, the only part of a body."""
    document = request.json()
    if not isinstance(document, dict):
        raise missing(("data",))
    unknown = sorted(set(document) - {"data"})
    if unknown:
        raise invalid((unknown[0],), "extra fields not permitted", "value_error.extra")
    return Fields(document.get("data"), ("data",), allowed)


def wrong_attribute(name: str, message: str) -> ApiError:
    """Return a 400 for an attribute that is well formed, but not acceptable to the workspace."""
    return invalid((*_PATH, name), message)


def not_in_enumeration(options: Iterable[str]) -> str:
    permitted = ", ".join(f"'{option}'" for option in options)
    return f"value is not a valid enumeration member; permitted: {permitted}"
