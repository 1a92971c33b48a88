"""Compare one page of what Cerby lists with the inventory, and bring the inventory up to date.

What the inventory does not know is added as discovered. What Cerby says has changed is taken over and told.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from keys import cerby
from keys.actions.keys.match_cerby_id import match_cerby_ids
from keys.actions.sync.discover import discover
from keys.actions.sync.owners import Owners
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, AuditEvent, RevealGrant, User, fold
from keys.rules.errors import CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import Phase, State, Transition
from keys.rules.scopes import in_order

LISTING_MAY_BE_OLD = timedelta(minutes=2)
"""A key that is younger than this may be missing from a listing that is behind."""

NEVER_VIEWED = (State.REQUESTED, State.CALLING, State.IN_DOUBT, State.READY, State.REFUSED, State.ABSENT)
ENDED_HERE = (State.ABSENT, State.REFUSED, State.REVOKED)

logger = structlog.get_logger(__name__)


@dataclass
class Sweep:
    """What one comparison found. ``confirmed``: so many of the inventory's ``live`` keys did Cerby list.

    ``not_taken``: what Cerby says of so many keys could not be written down; the log says why.
    ``to_revoke``: live in Cerby, ended here; our id of the key and Cerby's. ``silent_since``: the portal has
    not worked since then, as far as this database knows; ``unaccounted``: so many keys say otherwise.
    """

    started_at: datetime
    silent_since: datetime | None = None
    listed: int = 0
    live: int = 0
    confirmed: int = 0
    discovered: int = 0
    changed: int = 0
    missing: int = 0
    revoked: int = 0
    not_taken: int = 0
    unaccounted: int = 0
    quarantined: bool = False
    to_revoke: list[tuple[uuid.UUID, uuid.UUID]] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"{self.confirmed} of {self.live} live keys confirmed"
        for what in ("discovered", "changed", "missing", "revoked"):
            if count := getattr(self, what):
                said += f", {count} {what}"
        if self.not_taken:
            said += f", {self.not_taken} not taken over: see the log"
        return f"{said}; quarantine: {len(self.to_revoke)} held back" if self.quarantined else said


def compare(page: list[cerby.UpstreamKey], owners: Owners, found: Sweep) -> None:
    """Note what ``page``, at most a hundred keys, says in the inventory and in ``found``.

    Where it says nothing new that takes three queries; one more where keys were used since. Raises
    ``CerbyError`` where Cerby is asked for more and does not answer.
    """
    found.listed += len(page)
    ours = _ours(page)
    ours |= match_cerby_ids(
        [key for key in page if key.id not in ours and key.status == cerby.KeyStatus.ACTIVE]
    )
    found.unaccounted += sum(_tells_of_a_lost_time(ours.get(key.id), key, found) for key in page)
    people = owners.of({key.owner_id for key in page})
    # A key that was removed before the portal ever saw it is somebody else's history.
    unknown = [key for key in page if key.id not in ours and key.status != cerby.KeyStatus.REMOVED]
    discovered = discover(unknown, people, found.started_at)
    found.discovered += discovered
    found.not_taken += len(unknown) - discovered
    _compare_known([(ours[key.id], key) for key in page if key.id in ours], people, found)
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


def _tells_of_a_lost_time(key: ApiKey | None, upstream: cerby.UpstreamKey, found: Sweep) -> bool:
    """Whether the portal must have worked while this database says that it did not: a backup was restored.

    Somebody made a key under an identifier of a portal's, or used one that nobody has viewed here.
    """
    if found.silent_since is None or upstream.status != cerby.KeyStatus.ACTIVE:
        return False
    if key is None:
        return upstream.external_id is not None and upstream.created_at > found.silent_since
    used = upstream.last_used_at is not None and upstream.last_used_at > found.silent_since
    return used and key.origin == ApiKey.Origin.GENERATED and key.state in NEVER_VIEWED


def _compare_known(
    pairs: list[tuple[ApiKey, cerby.UpstreamKey]], people: Mapping[uuid.UUID, User], found: Sweep
) -> None:
    used, changed = [], []
    for key, upstream in pairs:
        if upstream.status == cerby.KeyStatus.REMOVED:
            with _one_of_many(upstream, found):
                _removed_in_cerby(key, upstream, found)
        elif key.state in ENDED_HERE:
            if upstream.status == cerby.KeyStatus.ACTIVE and not _has_just_ended(key, found):
                found.to_revoke.append((key.pk, upstream.id))
        elif key.phase == Phase.LIVE:
            differing = _differing(key, _facts(upstream, people.get(upstream.owner_id) or key.owner))
            if differing == {"last_used_at"}:
                key.last_used_at = upstream.last_used_at
                used.append(key)
            elif differing:
                changed.append((key, upstream))
    if used:
        ApiKey.objects.bulk_update(used, ["last_used_at"])
    if changed:
        _take_over_all(changed, people, found)


@contextmanager
def _one_of_many(upstream: cerby.UpstreamKey, found: Sweep) -> Iterator[None]:
    """What cannot be written down, such as a name that another key has here, does not stop the rest."""
    try:
        yield
    except (IntegrityError, DataError):
        found.not_taken += 1
        logger.exception("key_not_taken_over", cerby_id=str(upstream.id))


def _take_over_all(
    changed: list[tuple[ApiKey, cerby.UpstreamKey]], people: Mapping[uuid.UUID, User], found: Sweep
) -> None:
    doubtful = _changed_lately([key for key, _ in changed], found)
    for key, listed in changed:
        upstream = _itself(listed) if key.pk in doubtful else listed
        with _one_of_many(upstream, found):
            _take_over(key, _facts(upstream, people.get(upstream.owner_id) or key.owner), found)


def _changed_lately(keys: list[ApiKey], found: Sweep) -> set[uuid.UUID | None]:
    """A list may be behind a change of a moment ago, and must not undo it."""
    changes = AuditEvent.objects.filter(
        key_id__in=[key.pk for key in keys],
        type__in=[Event.KEY_RESCOPE_STARTED, Event.KEY_RESCOPED, Event.KEY_CHANGED],
        at__gt=found.started_at - LISTING_MAY_BE_OLD,
    )
    return set(changes.values_list("key_id", flat=True))


def _itself(upstream: cerby.UpstreamKey) -> cerby.UpstreamKey:
    with suppress(CerbyNotFound):
        return cerby.connect().key(upstream.id)
    return upstream


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
        transition(
            key, Transition.VANISH, Event.KEY_CHANGED, None, changes=changes, before=before, after=after
        )
        RevealGrant.withdraw(key)
        found.changed += 1


def _take_over(key: ApiKey, now: dict[str, Any], found: Sweep) -> None:
    """Cerby's facts are the facts; what people would want to know of a difference becomes an event."""
    before = {name: getattr(key, name) for name in now}
    differing = _differing(key, now)
    if not differing:
        return
    unchanged = ApiKey.objects.filter(pk=key.pk, state=key.state, scopes=key.scopes)
    with transaction.atomic():
        if unchanged.update(**{name: now[name] for name in differing}) != 1:
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


_NOT_NEWS = {"last_used_at", "name_order", "owner", "owner_name", "owner_order"}
"""Use is not a change; a change of owner is told by the e-mail alone."""


def _facts(upstream: cerby.UpstreamKey, owner: User) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "owner": owner,
        **ApiKey.owner_columns(owner),
        "name": upstream.name[:100],
        "name_order": fold(upstream.name[:100]),
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
