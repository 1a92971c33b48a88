"""Parse the keys of Cerby's list, and leave out the broken ones without losing the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid5

from keys.cerby import values
from keys.cerby.values import WireError
from keys.cerby.wire import API_KEY_TYPE, UpstreamKey, key_status, upstream_key


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
    "scopes": values.texts,
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
    text = json.dumps(resource, sort_keys=True)
    return UnreadableKey(
        id=values.uuid(fields["id"]) if has_id else uuid5(NAMESPACE_OID, text),
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
