"""Parse the items of Cerby's lists, and tell the broken ones without losing the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from keys.cerby import values
from keys.cerby.values import WireError
from keys.cerby.wire import API_KEY_TYPE, UpstreamKey, key_status, scopes, upstream_key

T = TypeVar("T")


@dataclass(frozen=True)
class UnreadableItem:
    """An item of a list that has no readable id, is of another type, or has no attributes.

    ``id`` only tells it from others. ``email``: a person's, in lower case, or "".
    """

    id: UUID
    email: str = ""
    has_id: bool = False
    unreadable: tuple[str, ...] = ("id",)


def or_unreadable(parse: Callable[[object], T]) -> Callable[[object], T | UnreadableItem]:
    """Return ``parse`` for the items of a list: one broken item must not hide all others."""

    def item(resource: object) -> T | UnreadableItem:
        try:
            return parse(resource)
        except WireError:
            return UnreadableItem(_id_from_text(resource), _email(resource))

    return item


def _email(resource: object) -> str:
    with suppress(WireError):
        return values.text(values.obj(values.obj(resource).get("attributes")).get("email")).lower()
    return ""


def _id_from_text(resource: object) -> UUID:
    return uuid5(NAMESPACE_OID, json.dumps(resource, sort_keys=True, default=lambda _: None))


@dataclass(frozen=True)
class UnreadableKey:
    """A key of Cerby's list that lacks a required value, or has one that cannot be read.

    ``unreadable``: these attributes. If not even the id can be read, ``has_id`` is False and ``id`` only
    tells this resource from others.
    """

    id: UUID
    has_id: bool
    external_id: UUID | None
    unreadable: tuple[str, ...]


_REQUIRED: dict[str, Callable[[object], object]] = {
    "name": values.text,
    "scopes": scopes,
    "status": key_status,
    "ownerId": values.uuid,
    "ownerEmail": values.text,
    "createdAt": values.time,
    "externalId": lambda value: None if value is None else values.uuid(value),
}


def listed_key(resource: object) -> UpstreamKey | UnreadableKey:
    """Parse a key of a list. One broken key must not hide all others, so nothing is raised."""
    try:
        return upstream_key(resource)
    except WireError:
        return _unreadable_key(resource)


def _unreadable_key(resource: object) -> UnreadableKey:
    fields = resource if isinstance(resource, dict) else {}
    attributes = fields.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    broken = [name for name, parse in _REQUIRED.items() if not _is_readable(attributes, name, parse)]
    broken += [name for name in ("expiresAt", "lastUsedAt", "removedAt") if name not in attributes]
    has_id = _is_readable(fields, "id", values.uuid)
    if not has_id:
        broken.append("id")
    if fields.get("type") != API_KEY_TYPE:
        broken.append("type")
    external = attributes.get("externalId")
    return UnreadableKey(
        id=values.uuid(fields["id"]) if has_id else _id_from_text(resource),
        has_id=has_id,
        external_id=None if external is None or "externalId" in broken else values.uuid(external),
        unreadable=tuple(broken),
    )


def _is_readable(fields: dict[str, object], name: str, parse: Callable[[object], object]) -> bool:
    try:
        parse(fields[name])
    except (KeyError, WireError):
        return False
    return True
