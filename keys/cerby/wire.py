"""Convert between Cerby's JSON and dataclasses. All names that Cerby does not publish are defined here."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from keys.cerby import values
from keys.cerby.values import Resource, WireError
from keys.rules.cerby_roles import role_of
from keys.rules.permissions import Role

T = TypeVar("T")

# Cerby (published): paths under the base URL.
USERS = "/api/v1/users"
VAULTS = "/api/v1/vaults"
SECRETS = "/api/v1/secrets"
# Our contract.
API_KEYS = "/api/v1/api-keys"

# Types of resources: published, except "api_key", which is our contract.
_USER, _VAULT, _SECRET, API_KEY_TYPE = "user", "vault", "secret", "api_key"
DISABLED = "disabled"  # the status of a person (published)
_MEMBER = "users"  # of a secret
_LOCAL_SCHEME = "local_encryption_key"

_MAX_KEY_LENGTH = 4096
_MAX_ROLE_LENGTH = 100
_MAX_SCOPES, _MAX_SCOPE_LENGTH = 2000, 100
_MAX_ITEMS = 1000  # of a page; the portal asks for a hundred
_ROUNDING = timedelta(seconds=1)


class KeyStatus(enum.StrEnum):
    """The status of a key in Cerby (our contract)."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REMOVED = "removed"


@dataclass(frozen=True)
class Mfa:
    """Whether a person uses multi-factor authentication, and since when."""

    enabled: bool
    enrolled_at: datetime | None


@dataclass(frozen=True)
class Person:
    """A user of the workspace.

    ``role`` is None if the portal does not know ``role_id``, Cerby's identifier, cut to 100 characters.
    A person counts as a guest if ``is_guest`` is None. ``mfa`` is None unless it was requested.
    ``unreadable``: the attributes whose values were dropped: ``email`` and ``status`` are "" then, and
    ``is_guest`` is None.
    """

    id: UUID
    email: str
    first_name: str
    last_name: str
    status: str
    role: Role | None
    is_guest: bool | None
    last_activity: datetime | None
    role_id: str = ""
    mfa: Mfa | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def is_disabled(self) -> bool:
        return self.status == DISABLED

    @property
    def confirms_role(self) -> bool:
        """Return whether Cerby says if the person is live, and whether they are a guest."""
        return bool(self.status) and self.is_guest is not None


@dataclass(frozen=True)
class Vault:
    """A vault. ``takes_secrets``: it is enabled and in the cloud, so the API can store a secret in it."""

    id: UUID
    name: str
    takes_secrets: bool = True
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secret:
    id: UUID
    title: str
    created_at: datetime | None = None


@dataclass(frozen=True)
class UpstreamKey:
    """An API key as Cerby lists it, without its plain text. Times are UTC.

    ``unreadable``: the attributes whose values were dropped.
    """

    id: UUID
    name: str
    scopes: tuple[str, ...]
    status: KeyStatus
    owner_id: UUID
    owner_email: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    removed_at: datetime | None
    external_id: UUID | None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its plain text, which Cerby returns only this once."""

    id: UUID
    secret: str = field(repr=False)
    name: str
    scopes: tuple[str, ...]
    owner_id: UUID
    created_at: datetime
    expires_at: datetime
    external_id: UUID


@dataclass(frozen=True)
class IssueRequest:
    """The parameters of a new key. ``expires_at`` is aware; ``external_id`` is the portal's id of the key."""

    name: str
    scopes: tuple[str, ...]
    expires_at: datetime
    owner_id: UUID
    external_id: UUID


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list. ``total``: the length of the whole list. ``more``: Cerby names a next page."""

    items: tuple[T, ...]
    total: int
    more: bool


def problem(body: bytes) -> tuple[str, str]:
    """Return code and message of the first error in an error answer, or "" if there is none. Never raises.

    The message is its ``detail`` and, on a 400, its ``meta.msg``, which names the problem (Cerby, published).
    """
    try:
        fields = values.obj(values.array(values.obj(values.document(body)).get("errors"))[0])
    except (WireError, IndexError):
        return "", ""
    meta = fields.get("meta")
    found = fields.get("code"), fields.get("detail"), meta.get("msg") if isinstance(meta, dict) else None
    code, detail, message = (value.strip() if isinstance(value, str) else "" for value in found)
    if message.rstrip(".") in detail:
        return code, detail
    return code, message if detail.rstrip(".") in message else f"{detail} {message}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def issue_request(request: IssueRequest) -> object:
    """Return the body of a request that creates a key (our contract)."""
    attributes = {
        "name": request.name,
        "scopes": list(request.scopes),
        "expiresAt": _time(request.expires_at),
        "ownerId": str(request.owner_id),
        "externalId": str(request.external_id),
    }
    return {"data": {"type": API_KEY_TYPE, "attributes": attributes}}


def scopes_request(scopes: Iterable[str]) -> object:
    """Return the body of a request that changes scopes (our contract)."""
    return {"data": {"type": API_KEY_TYPE, "attributes": {"scopes": list(scopes)}}}


def secret_request(*, title: str, body: str, vault_id: UUID, expires_at: datetime | None = None) -> object:
    """Return the body of a request that creates a secret (Cerby, published; it has no ``type``)."""
    attributes: dict[str, object] = {
        "vaultId": str(vault_id),
        "title": title,
        "requiresIdentityChallenge": False,
        "body": {"type": "plaintext", "value": body},
        "category": "text",
    }
    if expires_at is not None:
        attributes["expiresAt"] = _time(expires_at)
    return {"data": {"attributes": attributes}}


def members_of(secret_id: UUID) -> str:
    """Return the path of the people with whom a secret is shared (Cerby, published)."""
    return f"{SECRETS}/{secret_id}/members/users"


def items_of(person_id: UUID, items: str) -> str:
    """Return the path of a person's teams, secrets, accounts or collections.

    Cerby's changelog names these lists; their paths are our assumption.
    """
    return f"{USERS}/{person_id}/{items}"


def member_request(person_id: UUID, *, message: str) -> object:
    """Return the body of a request that makes a person an owner of a secret (Cerby, published)."""
    attributes = {"role": "secret_owner", "message": message}
    return {"data": {"id": str(person_id), "type": _MEMBER, "attributes": attributes}}


def one(answer: object) -> object:
    """Return the resource of an answer about one thing. Raises WireError."""
    return values.at("the body", values.obj, answer).get("data")


def page(answer: object, parse: Callable[[object], T]) -> Page[T]:
    """Parse a page of a list (Cerby, published: data, links.next, meta.page.total). Raises WireError."""
    fields = values.at("the body", values.obj, answer)
    meta = values.at("meta", values.obj, fields.get("meta"))
    counts = values.at("meta.page", values.obj, meta.get("page"))
    links = values.at("links", values.obj, fields.get("links"))
    resources = values.at("data", values.array, fields.get("data"))
    if len(resources) > _MAX_ITEMS:
        raise WireError("data has too many items")
    return Page(
        items=tuple(parse(resource) for resource in resources),
        total=values.at("meta.page.total", values.count, counts.get("total")),
        more=links.get("next") is not None,
    )


def person(resource: object) -> Person:
    """Parse a person, without the values that cannot be read. Raises WireError if the id cannot be read."""
    fields = Resource(resource, _USER)
    is_guest = fields.wanted("isGuest", values.flag)
    role_id = (fields.if_readable("role", values.text) or "")[:_MAX_ROLE_LENGTH]
    return Person(
        id=fields.id,
        email=fields.wanted("email", _email) or "",
        first_name=fields.if_readable("firstName", values.text) or "",
        last_name=fields.if_readable("lastName", values.text) or "",
        status=fields.wanted("status", values.text) or "",
        role=role_of(role_id, is_guest=is_guest is not False),
        is_guest=is_guest,
        last_activity=fields.if_readable("lastActivity", values.time),
        role_id=role_id,
        mfa=fields.if_readable("mfaStatus", _mfa),
        unreadable=fields.unreadable,
    )


def _email(value: object) -> str:
    email = values.text(value)
    if "@" not in email:
        raise WireError("is not an email address")
    return email


def _mfa(value: object) -> Mfa:
    fields = values.obj(value)
    enrolled = fields.get("mfaEnrollmentDate")
    return Mfa(
        enabled=values.at("mfaEnabled", values.flag, fields.get("mfaEnabled")),
        enrolled_at=None if enrolled is None else values.at("mfaEnrollmentDate", values.time, enrolled),
    )


def vault(resource: object) -> Vault:
    """Parse a vault. One without ``state`` or ``scheme`` counts as usable. Raises WireError.

    A vault with a value that cannot be read takes no secrets, so it is not offered.
    """
    fields = Resource(resource, _VAULT)
    state = fields.if_readable("state", values.text) or "enabled"
    scheme = fields.if_readable("scheme", values.text)
    name = fields.wanted("name", values.text) or ""
    usable = state == "enabled" and scheme != _LOCAL_SCHEME and not fields.unreadable
    return Vault(fields.id, name, takes_secrets=usable, unreadable=fields.unreadable)


def secret(resource: object) -> Secret:
    """Parse a secret, without the values that cannot be read. Raises WireError if the id cannot be read."""
    fields = Resource(resource, _SECRET)
    return Secret(
        id=fields.id,
        title=fields.if_readable("title", values.text) or "",
        created_at=fields.if_readable("createdAt", values.time),
    )


@dataclass(frozen=True)
class Member:
    """A person with whom a secret is shared, or an item of a person: only the id is read."""

    id: UUID


def member(resource: object) -> Member:
    """Raises WireError."""
    fields = values.at("the resource", values.obj, resource)
    return Member(values.at("id", values.uuid, fields.get("id")))


def upstream_key(resource: object) -> UpstreamKey:
    """Parse a key, without the times that cannot be read. Raises WireError."""
    fields = Resource(resource, API_KEY_TYPE)
    return UpstreamKey(
        id=fields.id,
        name=fields.required("name", values.text),
        scopes=fields.required("scopes", scopes),
        status=fields.required("status", key_status),
        owner_id=fields.required("ownerId", values.uuid),
        owner_email=fields.required("ownerEmail", values.text),
        created_at=fields.required("createdAt", values.time),
        expires_at=fields.nullable_if_readable("expiresAt", values.time),
        last_used_at=fields.nullable_if_readable("lastUsedAt", values.time),
        removed_at=fields.nullable_if_readable("removedAt", values.time),
        external_id=fields.nullable("externalId", values.uuid),
        unreadable=fields.unreadable,
    )


def issued_key(resource: object, request: IssueRequest) -> IssuedKey | UUID:
    """Parse the answer to a create: the key, or only its id if there is no usable plain text.

    Raises WireError if the answer does not parse in full, or is about another key than ``request``.
    """
    fields = Resource(resource, API_KEY_TYPE)
    # Never take another key's id for ours, with or without plain text: the portal may revoke its own keys.
    if fields.optional("externalId", values.uuid) not in {None, request.external_id}:
        raise WireError("externalId is not the one that was sent")
    plain = fields.optional("key", _plain_text)
    if plain is None:
        return fields.id
    key = IssuedKey(
        id=fields.id,
        secret=plain,
        name=fields.required("name", values.text),
        scopes=fields.required("scopes", scopes),
        owner_id=fields.required("ownerId", values.uuid),
        created_at=fields.required("createdAt", values.time),
        expires_at=fields.required("expiresAt", values.time),
        external_id=fields.required("externalId", values.uuid),
    )
    if set(key.scopes) != set(request.scopes):
        raise WireError("scopes are not those that were sent")
    if key.owner_id != request.owner_id:
        raise WireError("ownerId is not the one that was sent")
    if key.expires_at - request.expires_at > _ROUNDING:  # a workspace may shorten it
        raise WireError("expiresAt is later than the time that was sent")
    return key


def scopes(value: object) -> tuple[str, ...]:
    found = values.texts(value)
    if len(found) > _MAX_SCOPES or any(len(scope) > _MAX_SCOPE_LENGTH for scope in found):
        raise WireError("has too many or too long scopes")
    return found


def key_status(value: object) -> KeyStatus:
    try:
        return KeyStatus(values.text(value))
    except ValueError:
        reason = "is not active, expired or removed"
    raise WireError(reason)


def _plain_text(value: object) -> str | None:
    """Return a key that a header can contain (printable ASCII without spaces), or None."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_KEY_LENGTH:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None
