"""Parse JSON, and check and convert its single values: text, flags, identifiers, times, resources."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE | re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_DAY = timedelta(days=1)
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC) + _DAY, datetime.max.replace(tzinfo=UTC) - _DAY
# Control characters and lone surrogates, which databases and pages reject.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LONGEST_TEXT = 10_000
MOST_VALUES = 150_000
"""Values in one answer. A page of a hundred keys with a thousand scopes each has fewer."""
_LONGEST_NUMBER = 18  # digits: such a number fits into 64 bits


class WireError(Exception):
    """The answer does not have the agreed shape. The message names the field, but not its value."""


class _Unusable:
    """Stand for a value that JSON parsers read differently. No other function of this module accepts it."""


UNUSABLE = _Unusable()


def document(body: bytes) -> object:
    """Parse a UTF-8 JSON body of at most ``MOST_VALUES`` values. Raises WireError.

    NaN, Infinity, numbers beyond 64 bits, and the value of a name that an object has twice become
    ``UNUSABLE``. So such a value costs the attribute, but not the whole list.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise WireError("the body has too many values")
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=lambda _: UNUSABLE,
            parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_NUMBER else UNUSABLE,
        )
    except (ValueError, RecursionError):
        reason = "the body is not JSON"
    raise WireError(reason)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        found |= {name: UNUSABLE for name, count in counts.items() if count > 1}
    return found


def obj(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise WireError("is not an object")
    return value


def array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise WireError("is not a list")
    return value


def text(value: object) -> str:
    """Return text for pages. Characters that cannot be printed or stored become U+FFFD."""
    if not isinstance(value, str):
        raise WireError("is not text")
    if len(value) > LONGEST_TEXT:
        raise WireError("is too long")
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value)


def texts(value: object) -> tuple[str, ...]:
    return tuple(text(item) for item in array(value))


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise WireError("is neither true nor false")
    return value


def count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise WireError("is not a count")
    return value


def uuid(value: object) -> UUID:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise WireError("is not a UUID")
    return UUID(value)


def time(value: object) -> datetime:
    """Convert an ISO 8601 time to UTC. Without an offset it is UTC (Cerby's examples have both forms).

    The first and the last day that Python knows, such as 9999-12-31 for "never", become the day beside them:
    they cannot be converted to other time zones.
    """
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            return min(max(moment, _EARLIEST), _LATEST)
        except (ValueError, OverflowError):
            pass
    raise WireError("is not a time")


def at(name: str, parse: Callable[[object], T], value: object) -> T:
    """Return ``parse(value)``. Prefix the message of a WireError with ``name``."""
    try:
        return parse(value)
    except WireError as error:
        reason = f"{name} {error}"
    raise WireError(reason)


class Resource:
    """A resource of the envelope (Cerby, published): ``{"id", "type", "attributes"}``. Raises WireError.

    ``unreadable``: the attributes that ``if_readable`` and ``wanted`` dropped.
    """

    def __init__(self, value: object, kind: str) -> None:
        fields = at("the resource", obj, value)
        if fields.get("type") != kind:
            reason = f"the resource is not of type {kind}"
            raise WireError(reason)
        self.id = at("id", uuid, fields.get("id"))
        self.unreadable: tuple[str, ...] = ()
        self._attributes = at("attributes", obj, fields.get("attributes", {}))

    def required(self, name: str, parse: Callable[[object], T]) -> T:
        if name not in self._attributes:
            reason = f"{name} is missing"
            raise WireError(reason)
        return at(name, parse, self._attributes[name])

    def nullable(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return an attribute that must be present but may be null."""
        return self.required(name, lambda value: None if value is None else parse(value))

    def optional(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return an attribute that may be null or missing."""
        return self.nullable(name, parse) if name in self._attributes else None

    def if_readable(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return an optional attribute, or None, noted in ``unreadable``, if it cannot be parsed.

        One strange value must not hide the whole resource, and with it the list that it is part of.
        """
        return self.nullable_if_readable(name, parse) if name in self._attributes else None

    def wanted(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return an attribute, or None, noted in ``unreadable``, if it is missing or cannot be parsed."""
        try:
            return self.required(name, parse)
        except WireError:
            self.unreadable += (name,)
            return None

    def nullable_if_readable(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return an attribute that must be present, or None if it is null or, as above, unreadable."""
        self.required(name, lambda value: value)
        try:
            return self.nullable(name, parse)
        except WireError:
            self.unreadable += (name,)
            return None
