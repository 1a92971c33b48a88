"""The scope catalogue as data: what a key can be allowed to do, in Cerby's words and order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Scope:
    """One scope of an API key.

    ``writes``: it can change or delete data. ``published``: Cerby publishes its identifier.
    """

    id: str
    label: str
    description: str
    writes: bool
    published: bool


def _read(identifier: str, label: str, what: str, *, published: bool) -> Scope:
    return Scope(identifier, label, f"Enables reading {what} data.", writes=False, published=published)


def _write(identifier: str, label: str, what: str, *, published: bool) -> Scope:
    return Scope(identifier, label, f"Enables writing {what} data.", writes=True, published=published)


PUBLISHED: tuple[Scope, ...] = (
    _read("read:activities", "Read activities", "activity", published=True),
    _read("read:items", "Read items", "account, secret, and collection", published=True),
    _read("read:items:accounts", "Read accounts", "account", published=True),
    _read("read:items:secrets", "Read secrets", "secret", published=True),
    _read("read:users", "Read users", "user and team", published=True),
    _read("read:integrations", "Read integrations", "integration and entitlement", published=True),
    _write("write:integrations", "Write integrations", "integration and entitlement", published=True),
    _read("read:automations", "Read automated jobs", "automated job", published=True),
    _write("write:automations", "Write automated jobs", "automated job", published=True),
)
"""Cerby (published): the nine of its wizard, in its order."""

EXTRA: tuple[Scope, ...] = (
    _read("read:vaults", "Read vaults", "vault", published=False),
    _read("read:teams", "Read teams", "team", published=False),
    _write("write:items:accounts", "Write accounts", "account", published=False),
    _write("write:items:secrets", "Write secrets", "secret", published=False),
    _write("write:users", "Write users", "user", published=False),
    _write("write:collections", "Write collections", "collection", published=False),
    _write("write:teams", "Write teams", "team", published=False),
    Scope("delete:teams", "Delete teams", "Enables deleting teams.", writes=True, published=False),
)
"""Labels are Cerby's (published); identifiers and descriptions are our contract."""

CATALOGUE: dict[str, Scope] = {scope.id: scope for scope in (*PUBLISHED, *EXTRA)}

_INCLUDES = {"read:items": frozenset({"read:items:accounts", "read:items:secrets"})}
"""Cerby (published): "Read items" enables reading account, secret, and collection data."""


def offered(extra: bool) -> tuple[Scope, ...]:
    """The scopes that can be chosen: the published nine, and with ``extra`` the other eight."""
    return (*PUBLISHED, *EXTRA) if extra else PUBLISHED


def label(identifier: str) -> str:
    """The words a person knows the scope by; an unknown identifier is shown as itself."""
    scope = CATALOGUE.get(identifier)
    return scope.label if scope else identifier


def in_order(identifiers: Iterable[str]) -> list[str]:
    """Each identifier once, in the catalogue's order; unknown ones last, by alphabet."""
    given = set(identifiers)
    return [known for known in CATALOGUE if known in given] + sorted(given - CATALOGUE.keys())


def reach(identifiers: Iterable[str]) -> frozenset[str]:
    """The scopes together with those that they include."""
    given = frozenset(identifiers)
    return given.union(*(_INCLUDES.get(identifier, frozenset()) for identifier in given))


def widens(old: Iterable[str], new: Iterable[str]) -> bool:
    """Whether ``new`` reaches anything that ``old`` does not. Unknown identifiers count literally."""
    return not reach(new) <= reach(old)
