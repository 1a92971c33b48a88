"""Compare everything that Cerby lists with the inventory, and bring the inventory up to date.

What lives in Cerby and should not is revoked, unless that is so much that something else must be wrong.
What the inventory does not know is added as discovered, and never revoked by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from keys import cerby
from keys.actions.identify import recognise
from keys.actions.refresh_person import remember
from keys.actions.revoke import revoke
from keys.audit import log
from keys.audit.events import Event
from keys.errors import CerbyError, CerbyNotFound, Conflict
from keys.lifecycle import Move, Phase, State
from keys.models import ApiKey, RevealGrant, User, fold
from keys.moves import move
from keys.scopes import in_order

PAGE = 100
LISTING_MAY_BE_OLD = timedelta(minutes=2)
"""A key that is younger than this may be missing from a listing that is behind."""

ENDED_HERE = (State.ABSENT, State.REFUSED, State.REVOKED)

logger = structlog.get_logger(__name__)


@dataclass
class Sweep:
    """What one comparison found. ``confirmed``: so many of the inventory's ``live`` keys did Cerby list.

    ``not_taken``: what Cerby says of so many keys could not be written down; the log says why.
    ``to_revoke``: live in Cerby, ended here.
    """

    started_at: datetime
    listed: int = 0
    live: int = 0
    confirmed: int = 0
    discovered: int = 0
    changed: int = 0
    missing: int = 0
    revoked: int = 0
    not_taken: int = 0
    stopped: bool = False
    to_revoke: list[tuple[ApiKey, uuid.UUID]] = field(default_factory=list)

    def __str__(self) -> str:
        said = (
            f"{self.confirmed} of {self.live} live keys confirmed, {self.discovered} discovered, "
            f"{self.changed} changed, {self.missing} missing, {self.revoked} revoked"
        )
        if self.not_taken:
            said += f", {self.not_taken} not taken over: see the log"
        return f"{said}; stopped before revoking {len(self.to_revoke)}" if self.stopped else said


def sweep() -> Sweep:
    """One comparison. Raises ``CerbyError`` where the listing broke off; nothing counts as missing then."""
    found = Sweep(started_at=timezone.now())
    for page in _pages(cerby.connect().keys()):
        _compare(page, found)
    _mark_missing(found)
    _revoke_what_should_not_live(found)
    _count(found)
    return found


def _count(found: Sweep) -> None:
    confirmed = Q(confirmed_at__gte=found.started_at)
    counts = ApiKey.objects.filter(phase=Phase.LIVE).aggregate(
        live=Count("pk"), confirmed=Count("pk", filter=confirmed)
    )
    found.live, found.confirmed = counts["live"], counts["confirmed"]


def _pages(keys: Iterable[cerby.UpstreamKey]) -> Iterator[list[cerby.UpstreamKey]]:
    """Lists of at most ``PAGE``: memory and queries stay bounded, however many keys there are."""
    iterator = iter(keys)
    while batch := list(islice(iterator, PAGE)):
        yield batch


def _compare(page: list[cerby.UpstreamKey], found: Sweep) -> None:
    found.listed += len(page)
    ours, owners = _ours(page), _owners({key.owner_id for key in page})
    for upstream in page:
        try:
            if upstream.id not in ours and (pasted := _pasted(upstream)) is not None:
                ours[upstream.id] = pasted
            _compare_one(ours.get(upstream.id), upstream, owners.get(upstream.owner_id), found)
        except (IntegrityError, DataError):
            # Such as a name that another key has here; the next key may do better.
            found.not_taken += 1
            logger.exception("key_not_taken_over", cerby_id=str(upstream.id))
    listed = [key.pk for key in ours.values()]
    ApiKey.objects.filter(pk__in=listed).update(confirmed_at=found.started_at, missing_since=None)


def _ours(page: list[cerby.UpstreamKey]) -> dict[uuid.UUID, ApiKey]:
    """The inventory's rows for the page, by Cerby's id. Our own, Cerby's ``externalId``, wins."""
    by_id = {key.id for key in page}
    by_external_id = {key.external_id: key.id for key in page if key.external_id}
    rows = ApiKey.objects.select_related("owner").filter(
        Q(cerby_id__in=by_id) | Q(pk__in=list(by_external_id))
    )
    return {by_external_id.get(row.pk) or row.cerby_id or row.pk: row for row in rows}


def _pasted(upstream: cerby.UpstreamKey) -> ApiKey | None:
    """A key whose value was pasted here, and whose id in Cerby becomes known by this listing."""
    return recognise(upstream) if upstream.status == cerby.KeyStatus.ACTIVE else None


def _compare_one(key: ApiKey | None, upstream: cerby.UpstreamKey, owner: User | None, found: Sweep) -> None:
    if key is None:
        _discover(upstream, owner, found)
    elif upstream.status == cerby.KeyStatus.REMOVED:
        _removed_in_cerby(key, upstream, found)
    elif key.state in ENDED_HERE:
        if upstream.status == cerby.KeyStatus.ACTIVE and not _has_just_ended(key, found):
            found.to_revoke.append((key, upstream.id))
    elif key.phase == Phase.LIVE:
        facts = _facts(upstream, owner or key.owner)
        if _differing(key, facts) - _NOT_NEWS:
            facts = _facts_by_themselves(key, upstream)
        _take_over(key, facts, found)


def _facts_by_themselves(key: ApiKey, upstream: cerby.UpstreamKey) -> dict[str, Any]:
    """A list may be behind what was changed a moment ago: before that is undone, the key itself is asked."""
    with suppress(CerbyNotFound):
        upstream = cerby.connect().key(upstream.id)
    return _facts(upstream, _owners({upstream.owner_id}).get(upstream.owner_id) or key.owner)


def _differing(key: ApiKey, now: dict[str, Any]) -> set[str]:
    return {name for name in now if getattr(key, name) != now[name]}


def _has_just_ended(key: ApiKey, found: Sweep) -> bool:
    """Too lately to say that a listing, which may be behind, contradicts it."""
    return key.removed_at is not None and key.removed_at > found.started_at - LISTING_MAY_BE_OLD


def _removed_in_cerby(key: ApiKey, upstream: cerby.UpstreamKey, found: Sweep) -> None:
    if key.phase != Phase.LIVE:
        return
    changes = {"removed_at": upstream.removed_at or found.started_at}
    before, after = {"status": "active"}, {"status": "removed"}
    # Where somebody is changing it at this moment, the next sweep compares again.
    with suppress(Conflict), transaction.atomic():
        move(key, Move.VANISH, Event.KEY_CHANGED, None, changes=changes, before=before, after=after)
        RevealGrant.objects.filter(key=key, state=RevealGrant.GrantState.READY).update(
            state=RevealGrant.GrantState.GONE, sealed=None
        )
        found.changed += 1


def _take_over(key: ApiKey, now: dict[str, Any], found: Sweep) -> None:
    """Cerby's facts are the facts; what people would want to know of a difference becomes an event."""
    before = {name: getattr(key, name) for name in now}
    differing = _differing(key, now)
    if not differing:
        return
    unchanged = ApiKey.objects.filter(pk=key.pk, state=key.state, scopes=key.scopes)
    with transaction.atomic():
        if unchanged.update(**{name: now[name] for name in differing}, **_orders(now)) != 1:
            return  # somebody is changing it at this moment; the next sweep compares again
        telling = sorted(differing - _NOT_NEWS)
        if telling:
            found.changed += 1
            log.append(
                Event.KEY_CHANGED,
                actor=None,
                key=key,
                before={name: _json(before[name]) for name in telling},
                after={name: _json(now[name]) for name in telling},
            )


def _orders(now: dict[str, Any]) -> dict[str, str]:
    """What is sorted by, of the names as they are now."""
    return {"name_order": fold(now["name"]), "owner_order": fold(now["owner_name"])}


_NOT_NEWS = {"last_used_at", "owner", "owner_name"}
"""Use is not a change; a change of owner is told by the e-mail alone."""


def _facts(upstream: cerby.UpstreamKey, owner: User) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "owner": owner,
        "owner_name": owner.name,
        "owner_email": owner.email,
        "name": upstream.name[:100],
        "scopes": in_order(upstream.scopes),
        "last_used_at": upstream.last_used_at,
        "cerby_id": upstream.id,
    }
    if upstream.expires_at is not None:
        facts["expires_at"] = upstream.expires_at
    return facts


def _json(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _discover(upstream: cerby.UpstreamKey, owner: User | None, found: Sweep) -> None:
    """A key that was removed before the portal ever saw it is somebody else's history."""
    if upstream.status == cerby.KeyStatus.REMOVED:
        return
    if owner is None or upstream.expires_at is None:
        found.not_taken += 1
        logger.error("key_without_owner_or_expiry", cerby_id=str(upstream.id))
        return
    _add(upstream, upstream.expires_at, owner, found)


def _owners(ids: set[uuid.UUID]) -> dict[uuid.UUID, User]:
    known = {user.cerby_id: user for user in User.objects.filter(cerby_id__in=ids)}
    unknown = ids - known.keys()
    if unknown:
        remember(_people(unknown))
        known |= {user.cerby_id: user for user in User.objects.filter(cerby_id__in=unknown)}
    return known


def _people(ids: set[uuid.UUID]) -> Iterator[cerby.Person]:
    client = cerby.connect()
    for person_id in ids:
        with suppress(CerbyNotFound):
            yield client.person(person_id)


def _add(upstream: cerby.UpstreamKey, expires_at: datetime, owner: User, found: Sweep) -> None:
    with transaction.atomic():
        key = ApiKey.objects.create(
            id=uuid.uuid4(),
            cerby_id=upstream.id,
            origin=ApiKey.Origin.DISCOVERED,
            name=upstream.name[:100],
            owner=owner,
            owner_name=owner.name,
            owner_email=owner.email,
            scopes=in_order(upstream.scopes),
            state=State.HELD,
            created_at=upstream.created_at,
            expires_at=expires_at,
            last_used_at=upstream.last_used_at,
            confirmed_at=found.started_at,
        )
        log.append(
            Event.KEY_DISCOVERED,
            actor=None,
            key=key,
            cerby_id=str(upstream.id),
            scopes=key.scopes,
            expires_at=expires_at.isoformat(),
        )
    found.discovered += 1


def _mark_missing(found: Sweep) -> None:
    """Live here, and not in a complete listing that should have had it."""
    new = found.started_at - LISTING_MAY_BE_OLD
    gone = ApiKey.objects.filter(
        Q(confirmed_at__lt=new) | Q(confirmed_at__isnull=True, created_at__lt=new),
        cerby_id__isnull=False,  # without it nobody can tell
        phase=Phase.LIVE,
        missing_since__isnull=True,
        expires_at__gt=found.started_at,
    )
    for key in gone.iterator(chunk_size=PAGE):
        with transaction.atomic():
            if ApiKey.objects.filter(pk=key.pk, missing_since__isnull=True).update(
                missing_since=found.started_at
            ):
                log.append(Event.KEY_MISSING, actor=None, key=key)
                found.missing += 1


def _revoke_what_should_not_live(found: Sweep) -> None:
    """The breaker: more than three, and more than one in twenty, is no accident of single keys."""
    if len(found.to_revoke) > max(3, found.listed // 20):
        found.stopped = True
        log.append(
            Event.SWEEP_STOPPED,
            actor=None,
            outcome=log.Outcome.FAILED,
            reason="More keys live in Cerby that should not than can be an accident. None was revoked.",
            revocations=len(found.to_revoke),
            keys=found.listed,
        )
        logger.error("sweep_stopped", count=len(found.to_revoke))
        return
    for key, cerby_id in found.to_revoke:
        with suppress(Conflict, CerbyError):  # recorded; the reconciler goes on
            _revoke(key, cerby_id)
            found.revoked += 1


def _revoke(key: ApiKey, cerby_id: uuid.UUID) -> None:
    reason = "Cerby lists this key as live, and it has ended here."
    move(key, Move.REAPPEAR, Event.KEY_DELETION_STARTED, None, changes={"cerby_id": cerby_id}, reason=reason)
    revoke(key, None)
