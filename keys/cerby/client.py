"""Offer Cerby's API to the portal, one method per call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import structlog

from keys.cerby import calls, credentials, values, wire
from keys.cerby.calls import Answer, Call, Lost, Stage
from keys.cerby.exchange import Exchange, Limits
from keys.cerby.listed import UnreadableItem, UnreadableKey, listed_key, or_unreadable
from keys.cerby.values import WireError
from keys.cerby.wire import IssuedKey, IssueRequest, Person, Secret, UpstreamKey, Vault
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyKeyWithoutSecret, CerbyRefused
from keys.rules.reach import Items
from portal.conf import without_api_path
from portal.variables import is_loopback

T = TypeVar("T")
_ISSUE = "generate the API key"
_EVERYBODY = Call("list the people of the workspace", "GET", wire.USERS)

MAX_LOGGED = 20
"""How many unreadable values one call logs. Their number is on the Health page."""

logger = structlog.get_logger(__name__)


class _HasId(Protocol):
    @property
    def id(self) -> UUID: ...


Item = TypeVar("Item", bound=_HasId)


class CerbyClient:
    """The client for Cerby's REST API. It is safe to share between threads.

    ``base_url``: ``https://{workspace}.cerby.com``, with or without ``/api/v1``; plain HTTP only for this
    machine. ``token``: the bearer token that manages API keys. ``api_key``: used for all other calls; without
    it, the token is used. ``ca_file``: certificates to trust instead of the usual ones. Unless
    ``manages_keys``, calls that Cerby does not publish fail before anything is sent. ``on_answer`` is called
    with the name of the credential's setting, the call in words, and the status of each answer. ``on_list``
    is called with the path of a complete list and its unreadable values, each as id and attribute. The
    constructor raises ValueError if the base URL or a credential is unusable.

    All methods raise errors of the CerbyError family. Reads raise CerbyNeverReached, CerbyRefused or
    CerbyInDoubt. Writes raise CerbyNeverReached or CerbyRefused if nothing was done, and CerbyInDoubt if that
    is unknown.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None,
        api_key: str | None,
        limits: Limits | None = None,
        ca_file: str = "",
        manages_keys: bool = True,
        on_answer: Callable[[str, str, int], None] = lambda *_: None,
        on_list: Callable[[str, Sequence[tuple[UUID, str]]], None] = lambda *_: None,
    ) -> None:
        self._base_url = checked_base_url(base_url)
        self._limits = limits or Limits()
        self._manages_keys = manages_keys
        self._on_answer = on_answer
        self._on_list = on_list
        self._exchange = Exchange(
            self._base_url,
            token=credentials.checked(token, credentials.TOKEN),
            api_key=credentials.checked(api_key, credentials.API_KEY),
            limits=self._limits,
            ca_file=ca_file,
        )

    def __repr__(self) -> str:
        return f"CerbyClient({self._base_url!r})"

    def person_by_email(self, email: str) -> Person | None:
        """Return the person with this email address. Only ASCII letters are compared case-insensitively."""
        call = self._soon(Call("look up a person", "GET", wire.USERS, query={"filter": email}))
        found = [person for person in self._readable(call, wire.person) if _same_email(person.email, email)]
        if len(found) > 1:
            raise CerbyError(
                "Cerby lists more than one person with this email. Ask a workspace Owner to correct it."
            )
        return found[0] if found else None

    def person(self, person_id: UUID, *, within: float = math.inf) -> Person:
        """Return a person. ``within``: seconds to wait, if fewer than usual."""
        call = Call("look up a person", "GET", f"{wire.USERS}/{person_id}", within=within)
        return self._one(call, wire.person, person_id)

    def people(self, *, with_mfa: bool = False, within: float = math.inf) -> Iterator[Person]:
        """Return everybody. Only ``with_mfa`` does Cerby say who uses multi-factor authentication.

        ``within``: as in ``person``, for the whole list.
        """
        query = {"mfaStatus": "true"} if with_mfa else {}
        return self._readable(replace(_EVERYBODY, query=query, within=within), wire.person)

    def all_people(self) -> Iterator[Person | UnreadableItem]:
        """Return everybody, also people whose id cannot be read, and who uses multi-factor authentication."""
        return self._walk(replace(_EVERYBODY, query={"mfaStatus": "true"}), or_unreadable(wire.person))

    def vaults(self, *, within: float = math.inf) -> list[Vault]:
        """Return the vaults that can take a secret over the API: the enabled ones in the cloud.

        ``within``: as in ``people``.
        """
        listed = self._readable(Call("list the vaults", "GET", wire.VAULTS, within=within), wire.vault)
        return [vault for vault in listed if vault.takes_secrets]

    def secrets_called(self, title: str) -> list[Secret]:
        """Return the secrets with this title that the API key's user can see."""
        listed = self._readable(self._soon(Call("list the secrets", "GET", wire.SECRETS)), wire.secret)
        return [secret for secret in listed if secret.title == title]

    def items_of(self, person_id: UUID, items: Items, *, most: int) -> list[UUID]:
        """Return the ids of at most ``most`` secrets, accounts, collections or teams of a person.

        Cerby publishes that these lists exist, but nothing of their items, of which only the id is read.
        """
        path = wire.items_of(person_id, items.value)
        call = Call(f"list the {items.value} of a person", "GET", path, is_extra=True)
        return [item.id for item in islice(self._readable(self._soon(call), wire.member), most)]

    def share_secret(self, secret_id: UUID, *, with_person: UUID, message: str) -> None:
        """Make a person an owner of the secret, or do nothing if it is shared with them already."""
        call = Call(
            "share the secret",
            "POST",
            wire.members_of(secret_id),
            body=wire.member_request(with_person, message=message),
            ok=frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}),
        )
        try:
            self._succeed(call)
        except (CerbyRefused, CerbyInDoubt):  # Cerby publishes no status for a member who is one already
            if not self._is_shared(secret_id, with_person):
                raise

    def _is_shared(self, secret_id: UUID, person_id: UUID) -> bool:
        call = self._soon(Call("list the members of the secret", "GET", wire.members_of(secret_id)))
        try:
            return any(member.id == person_id for member in self._readable(call, wire.member))
        except CerbyError:
            return False

    def save_secret(
        self, *, title: str, body: str, vault_id: UUID, expires_at: datetime | None = None
    ) -> Secret:
        """Store ``body`` as a text secret, which then belongs to the API key's user."""
        call = Call(
            "save the secret",
            "POST",
            wire.SECRETS,
            body=wire.secret_request(title=title, body=body, vault_id=vault_id, expires_at=expires_at),
            ok=frozenset({HTTPStatus.OK, HTTPStatus.CREATED}),
            quotes=False,  # an error message may contain the secret
        )
        return self._ask(call, lambda answer: wire.secret(wire.one(answer)))

    def issue_key(
        self, *, name: str, scopes: Iterable[str], expires_at: datetime, owner_id: UUID, external_id: UUID
    ) -> IssuedKey:
        """Create a key (our contract). The request is sent once and never repeated.

        Raises CerbyKeyWithoutSecret if the answer identifies the key but lacks its plain text.
        """
        request = IssueRequest(name, tuple(scopes), expires_at, owner_id, external_id)
        call = Call(
            _ISSUE,
            "POST",
            wire.API_KEYS,
            body=wire.issue_request(request),
            ok=frozenset({HTTPStatus.OK, HTTPStatus.CREATED}),
            manages_keys=True,
            conflict_is_doubt=True,
        )
        issued = self._ask(call, lambda answer: wire.issued_key(wire.one(answer), request))
        if isinstance(issued, UUID):
            raise CerbyKeyWithoutSecret(
                "Cerby generated the API key, but its plain text did not arrive. "
                "Nobody can use this key; delete it and generate another.",
                upstream_id=str(issued),
            )
        return issued

    def check_can_issue(self) -> None:
        """Raise ``CerbyNeverReached`` if too many calls are in flight, or Cerby is silent. Send nothing."""
        refusal = self._exchange.refusal()
        if refusal is not None:
            raise calls.error(Call(_ISSUE, "POST", wire.API_KEYS), refusal, hide=())

    def keys(self, *, statuses: Iterable[str] = (), within: float = math.inf) -> Iterator[UpstreamKey]:
        """Return all keys of the workspace, or those with one of ``statuses`` (active, expired, removed).

        ``within``: as in ``people``.
        """
        wanted = tuple(statuses)
        call = Call("list the API keys", "GET", wire.API_KEYS, manages_keys=True, within=within)
        if wanted:
            call = replace(call, query={"filter[status]": ",".join(wanted)})
        # A server that ignores the filter lists all keys, so the list is filtered again here.
        return (key for key in self._walk(call, wire.upstream_key) if not wanted or key.status in wanted)

    def all_keys(self) -> Iterator[UpstreamKey | UnreadableKey]:
        """Return all keys of the workspace. A key that cannot be read does not hide the others."""
        call = Call("list the API keys", "GET", wire.API_KEYS, manages_keys=True)
        return self._walk(call, listed_key)

    def keys_by_external_id(self, external_id: UUID) -> list[UpstreamKey]:
        """Return the keys in Cerby with the portal's own id, from a complete list."""
        query = {"filter[externalId]": str(external_id)}
        call = Call("look up the API key", "GET", wire.API_KEYS, query=query, manages_keys=True)
        return [
            key for key in self._walk(self._soon(call), wire.upstream_key) if key.external_id == external_id
        ]

    def key(self, key_id: UUID, *, within: float = math.inf) -> UpstreamKey:
        """Return a key. ``within``: as in ``person``."""
        path = f"{wire.API_KEYS}/{key_id}"
        call = Call("look up the API key", "GET", path, manages_keys=True, within=within)
        return self._one(call, wire.upstream_key, key_id)

    def rescope_key(self, key_id: UUID, scopes: Iterable[str]) -> UpstreamKey:
        """Replace the scopes of an active key. Raises CerbyConflict if it is expired or removed."""
        wanted = tuple(scopes)
        call = Call(
            "change the scopes of the API key",
            "PATCH",
            f"{wire.API_KEYS}/{key_id}",
            body=wire.scopes_request(wanted),
            manages_keys=True,
        )
        key = self._one(call, wire.upstream_key, key_id)
        if set(key.scopes) != set(wanted):
            raise calls.in_doubt(call, "its answer shows other scopes")
        return key

    def delete_key(self, key_id: UUID) -> None:
        """Delete the key, which stops working at once. Raises CerbyNotFound if Cerby does not know it."""
        call = Call(
            "delete the API key",
            "DELETE",
            f"{wire.API_KEYS}/{key_id}",
            ok=frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT}),
            manages_keys=True,
        )
        self._succeed(call)

    def _soon(self, call: Call) -> Call:
        """Limit a list to the time of one call, because a person may wait for it."""
        return replace(call, within=self._limits.total)

    def _readable(self, call: Call, parse: Callable[[object], Item]) -> Iterator[Item]:
        """Yield the items of a list without those that cannot be read."""
        for item in self._walk(call, or_unreadable(parse)):
            if not isinstance(item, UnreadableItem):
                yield item

    def _walk(self, call: Call, parse: Callable[[object], Item]) -> Iterator[Item]:
        """Yield each item of a list once, until Cerby's count is reached, within the time of the call.

        Raises CerbyInDoubt if the list repeats itself, does not end in time, or ends before its count, or if
        none of its items can be read.
        """
        seen: set[UUID] = set()
        dropped: list[tuple[UUID, str]] = []
        is_readable = False
        ends = time.monotonic() + call.within
        largest = calls.LARGEST_PAGE_OF_KEYS if call.manages_keys else calls.LARGEST_PAGE
        for number in range(1, self._limits.pages + 1):
            page_query = {**call.query, "page[number]": str(number), "page[size]": "100"}
            within = ends - time.monotonic()
            if within <= 0:
                raise calls.in_doubt(call, "its list does not end in time")
            page_call = replace(call, query=page_query, within=within, largest=largest)
            page = self._ask(page_call, partial(wire.page, parse=parse))
            items = _by_id(page.items, number)
            fresh = {item_id: item for item_id, item in items.items() if item_id not in seen}
            if page.items and not any(map(_has_id, fresh.values())) and any(map(_has_id, items.values())):
                raise calls.in_doubt(call, "its list repeats itself")
            is_readable |= not all(isinstance(item, UnreadableItem) for item in page.items)
            dropped += _log_dropped(fresh.values(), len(dropped))
            yield from fresh.values()
            seen.update(fresh)
            if not page.items and len(seen) < page.total:
                raise calls.in_doubt(call, "its list ends before its count is reached")
            if not page.items or (len(seen) >= page.total and not page.more):
                if seen and not is_readable:
                    raise calls.in_doubt(call, "none of the items of its list can be read")
                self._on_list(call.path, dropped)
                return
        raise calls.in_doubt(call, "its list does not end")

    def _one(self, call: Call, parse: Callable[[object], Item], item_id: UUID) -> Item:
        item = self._ask(call, lambda answer: parse(wire.one(answer)))
        if item.id != item_id:
            raise calls.in_doubt(call, "its answer is about something else")
        _log_dropped([item], 0)
        return item

    def _ask(self, call: Call, parse: Callable[[object], T]) -> T:
        """Carry out the call and return its parsed answer. Anything but success raises an error."""
        parsed = _parsed(self._succeed(call), parse)
        if isinstance(parsed, Lost):
            raise calls.in_doubt(call, parsed.reason)
        return parsed

    def _succeed(self, call: Call) -> Answer:
        """Carry out the call and return its answer. Any other status than success raises an error."""
        if call.manages_keys and not self._manages_keys:
            raise calls.not_published(call)
        if not self._exchange.has_credential(call):
            raise calls.without_credential(call)
        outcome = self._exchange.carry_out(call)
        if isinstance(outcome, Answer) and calls.is_web_page(outcome) and not call.manages_keys:
            raise calls.web_page(call, outcome.status)
        if isinstance(outcome, Answer) and not call.is_extra:
            self._on_answer(self._exchange.credential_name(call), call.doing, outcome.status)
        if isinstance(outcome, Answer) and outcome.status in call.ok:
            return outcome
        raise calls.error(call, outcome, hide=self._exchange.credentials)


def _has_id(item: object) -> bool:
    return getattr(item, "has_id", True)


def _by_id(items: Iterable[Item], page: int) -> dict[UUID, Item]:
    """Return the items by id. Two without a readable id can be equal, and count as two."""
    return {
        item.id if _has_id(item) else uuid5(item.id, f"{page}/{place}"): item
        for place, item in enumerate(items)
    }


def _parsed(answer: Answer, parse: Callable[[object], T]) -> T | Lost:
    """Return the problem instead of raising it, because a traceback would contain the answer."""
    if answer.flaw:
        return Lost(Stage.UNUSABLE, answer.flaw)
    if answer.media_type != "application/json":
        return Lost(Stage.UNUSABLE, "its answer is not JSON")
    try:
        return parse(values.document(answer.body))
    except WireError as error:
        return Lost(Stage.UNUSABLE, f"its answer does not have the agreed shape ({error})")


def _log_dropped(items: Iterable[_HasId], logged: int) -> list[tuple[UUID, str]]:
    """Log the values that could not be read, ``MAX_LOGGED`` per call, and return them: id and attribute."""
    found = [(item.id, name) for item in items for name in getattr(item, "unreadable", ())]
    for item_id, name in found[: max(0, MAX_LOGGED - logged)]:
        logger.warning("cerby_value_unreadable", cerby_id=str(item_id), attribute=name)
    return found


def _same_email(one: str, other: str) -> bool:
    """Return whether two addresses are the same, ignoring the case of ASCII letters only.

    Other letters of different mailboxes can have the same folded form.
    """
    return one == other or (one.isascii() and other.isascii() and one.lower() == other.lower())


def checked_base_url(url: str) -> str:
    """Return the URL without slashes and ``/api/v1`` at its end. Raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (
        not host
        or parts.scheme not in {"http", "https"}
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError("CERBY_BASE_URL must look like https://my-workspace.cerby.com.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("CERBY_BASE_URL must begin with https://, except for a server on this machine.")
    return without_api_path(url)
