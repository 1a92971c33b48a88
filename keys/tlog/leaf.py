"""The exact bytes of an event, in which personal values stand as salted hashes.

Canonical JSON (RFC 8785) of strings, integers, booleans, null, lists and objects. A personal value is
``"h:"`` and the hexadecimal SHA-256 of salt, path, a zero byte and the value; empty text stays empty. So
the value can be erased, with the salt, and the tree that was made of the bytes still holds.
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
PERSONAL = frozenset({"email", "owner", "owner_email", "owner_name", "full name", "ip", "browser", "filter"})
"""The names of details that hold something about a person, at any depth. A filter may name anybody."""
PERSONAL_OF_ACTOR = frozenset({"name", "email", "ip", "browser"})

Replace = Callable[[str, str], str]
"""From a personal value's path and the value to what stands in its place."""


@dataclass(frozen=True)
class Leaf:
    """``details`` are those of the leaf; ``personal`` maps the paths of what they hide to the values."""

    raw: bytes
    details: dict[str, Any]
    personal: dict[str, str]
    salt: bytes


def new_salt() -> bytes:
    return secrets.token_bytes(SALT)


def make(said: Mapping[str, Any], salt: bytes) -> Leaf:
    """The leaf of an event that ``said`` describes in clear.

    ``said`` has "id", "at", "type", "actor" (or None), "key" (or None), "reason" and "details". Raises
    ``ValueError`` for a float, an integer of 2**53 or more, any other type, and for more than ``LARGEST``
    bytes.
    """
    personal: dict[str, str] = {}

    def hide(path: str, value: str) -> str:
        if value:
            personal[path] = value
        return hidden(salt, path, value)

    details = _replaced(said["details"], "details", hide)
    raw = rfc8785.dumps({"v": SCHEMA, **said, "actor": _hide_actor(said["actor"], salt), "details": details})
    if len(raw) > LARGEST:
        raise ValueError(f"An event of {len(raw):,} bytes is too large; {LARGEST:,} are allowed.")
    return Leaf(raw, details, personal, salt)


def hidden(salt: bytes, path: str, value: str) -> str:
    """``value`` as it stands in the leaf at ``path``, such as "details.before.owner_email"."""
    if not value:
        return value
    return HIDDEN + hashlib.sha256(salt + path.encode() + b"\0" + value.encode()).hexdigest()


def readable(details: dict[str, Any], personal: Mapping[str, str]) -> dict[str, Any]:
    """The details with personal values in clear again, "erased" where they are gone.

    What was before comes before what was after: PostgreSQL's JSON keeps no order.
    """

    def show(path: str, value: str) -> str:
        return personal.get(path, ERASED) if value else value

    shown: dict[str, Any] = _replaced(details, "details", show)
    return {name: shown[name] for name in sorted(shown, key=lambda name: name == "after")}


def _hide_actor(actor: Mapping[str, str] | None, salt: bytes) -> dict[str, str] | None:
    if actor is None:
        return None
    return {
        name: hidden(salt, f"actor.{name}", value) if name in PERSONAL_OF_ACTOR else value
        for name, value in actor.items()
    }


def _replaced(value: Any, path: str, replace: Replace) -> Any:
    """``value`` with every personal text in it replaced. Raises ``ValueError`` for what no leaf can hold."""
    if isinstance(value, Mapping):
        return {name: _member(name, part, f"{path}.{name}", replace) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, f"{path}.{place}", replace) for place, part in enumerate(value)]
    if value is None or isinstance(value, str | int):  # bool is an int; rfc8785 checks the size of integers
        return value
    raise ValueError(f"An event cannot carry {type(value).__name__} at {path}.")


def _member(name: Any, value: Any, path: str, replace: Replace) -> Any:
    if not isinstance(name, str) or "." in name:
        raise ValueError(f"An event cannot carry {path}: a name is text without a dot.")
    if name not in PERSONAL or value is None:
        return _replaced(value, path, replace)
    if isinstance(value, str):
        return replace(path, value)
    raise ValueError(f"An event cannot carry {path}: what is about a person must be text.")
