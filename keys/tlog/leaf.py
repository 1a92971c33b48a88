"""Encode an event as a leaf: its exact bytes, with personal values replaced by salted hashes.

A leaf is canonical JSON (RFC 8785) of strings, integers, booleans, null, lists and objects. A personal value
becomes ``"h:"`` and the hexadecimal SHA-256 of salt, path, a zero byte and the value; empty text stays empty.
The value and the salt can therefore be erased later without breaking the tree.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

SCHEMA = 1
LARGEST = 8192
SALT = 16
HIDDEN = "h:"
ERASED = "erased"
PERSONAL = frozenset(
    {"email", "owner", "owner_email", "owner_name", "full name", "ip", "browser", "filter", "subject"}
)
"""Names of details that hold personal data, at any depth. A filter can contain anybody's name."""
PERSONAL_OF_ACTOR = frozenset({"name", "email", "ip", "browser"})

Replace = Callable[[str, str], str]
"""Called with the path and the value of personal data; returns the replacement."""


@dataclass(frozen=True)
class Leaf:
    """``details`` contain hashes, as in the leaf; ``personal`` maps their paths to the clear values."""

    raw: bytes
    details: dict[str, Any]
    personal: dict[str, str]
    salt: bytes


class TooLarge(ValueError):
    """The event has no room for its values, for example a thousand scopes."""


def new_salt() -> bytes:
    return secrets.token_bytes(SALT)


def make(event: Mapping[str, Any], salt: bytes) -> Leaf:
    """Return the leaf of ``event``, whose values are in clear.

    ``event`` has "id", "at", "type", "actor" (or None), "key" (or None), "reason" and "details". Raises
    ``ValueError`` if a value is a float, an integer of 2**53 or more, or of another unsupported type, and
    ``TooLarge`` if the leaf is longer than ``LARGEST`` bytes.
    """
    personal: dict[str, str] = {}

    def hide(path: str, value: str) -> str:
        if value:
            personal[path] = value
        return hash_personal(salt, path, value)

    details = _replace_personal(event["details"], "details", hide)
    actor = _hide_actor(event["actor"], salt)
    raw = rfc8785.dumps({"v": SCHEMA, **event, "actor": actor, "details": details})
    if len(raw) > LARGEST:
        raise TooLarge(f"An event of {len(raw):,} bytes is too large; {LARGEST:,} are allowed.")
    return Leaf(raw, details, personal, salt)


def hash_personal(salt: bytes, path: str, value: str) -> str:
    """Return the hash of ``value`` for the leaf, at a ``path`` such as "details.before.owner_email"."""
    if not value:
        return value
    return HIDDEN + hashlib.sha256(salt + path.encode() + b"\0" + value.encode()).hexdigest()


def readable(details: dict[str, Any], personal: Mapping[str, str]) -> dict[str, Any]:
    """Return the details with personal values in clear, or "erased" if a value is gone.

    "before" comes before "after", because PostgreSQL's JSON keeps no order.
    """

    def show(path: str, value: str) -> str:
        return personal.get(path, ERASED) if value else value

    shown: dict[str, Any] = _replace_personal(details, "details", show)
    return {name: shown[name] for name in sorted(shown, key=lambda name: name == "after")}


def _hide_actor(actor: Mapping[str, str] | None, salt: bytes) -> dict[str, str] | None:
    if actor is None:
        return None
    return {
        name: hash_personal(salt, f"actor.{name}", value) if name in PERSONAL_OF_ACTOR else value
        for name, value in actor.items()
    }


def _replace_personal(value: Any, path: str, replace: Replace) -> Any:
    """Return ``value`` with all personal text replaced. Raise ``ValueError`` if a type is unsupported."""
    if isinstance(value, Mapping):
        return {name: _member(name, part, f"{path}.{name}", replace) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_personal(part, f"{path}.{index}", replace) for index, part in enumerate(value)]
    if value is None or isinstance(value, str | int):  # bool is an int; rfc8785 checks the size of integers
        return value
    raise ValueError(f"An event cannot carry {type(value).__name__} at {path}.")


def _member(name: Any, value: Any, path: str, replace: Replace) -> Any:
    if not isinstance(name, str) or "." in name:
        raise ValueError(f"An event cannot carry {path}: a name is text without a dot.")
    if name not in PERSONAL or value is None:
        return _replace_personal(value, path, replace)
    if isinstance(value, str):
        return replace(path, value)
    raise ValueError(f"An event cannot carry {path}: personal values must be text.")
