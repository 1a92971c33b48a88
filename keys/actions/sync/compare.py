"""Compare one page of Cerby's list of keys with the inventory, and update the inventory.

Keys that the inventory lacks are added as discovered. Changes in Cerby are copied and recorded.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
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
from keys.actions.keys.repair import details_of, repair_keys
from keys.actions.keys.settle_scopes import record_lost_change
from keys.actions.reviews.void import follow_certificate
from keys.actions.sync.discover import discover
from keys.actions.sync.owners import Owners
from keys.actions.sync.reclaim import reclaim
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, AuditEvent, RevealGrant, ScopeChange, User
from keys.rules.errors import CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.folded_text import fold
from keys.rules.lifecycle import Phase, State, Transition
from keys.rules.scopes import in_order
from keys.tlog.leaf import TooLarge

MOST_PASSES = 3
CLOCKS_DIFFER_BY = timedelta(minutes=5)
LISTING_MAY_BE_OLD = timedelta(minutes=2)
"""Cerby's list may lag behind by this long, so it proves nothing about a more recent change."""

USE_COLUMNS = ("last_used_at", "gap_since", "longest_gap", "gap_before")
NEVER_VIEWED = (State.REQUESTED, State.CALLING, State.IN_DOUBT, State.READY, State.REFUSED, State.ABSENT)
ENDED_HERE = (State.ABSENT, State.REFUSED, State.REVOKED)

logger = structlog.get_logger(__name__)


@dataclass
class SweepResult:
    """The counts and findings of one sweep.

    ``confirmed``: how many of the inventory's ``live`` keys Cerby listed.
    ``not_taken``: how many keys could not be stored; the log says why.
    ``to_revoke``: keys that are live in Cerby but have ended here, as pairs of our id and Cerby's id.
    ``silent_since``: when the portal last ran according to this database, if no sweep has completed since.
    ``unaccounted``: how many keys show activity of the portal after that time.
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
        summary = f"{self.confirmed} of {self.live} live keys confirmed"
        for name in ("discovered", "changed", "missing", "revoked"):
            if count := getattr(self, name):
                summary += f", {count} {name}"
        if self.not_taken:
            summary += f", {self.not_taken} not updated (see the log)"
        return f"{summary}; quarantine: {len(self.to_revoke)} held back" if self.quarantined else summary


def compare(page: list[cerby.UpstreamKey], owners: Owners, result: SweepResult) -> None:
    """Update the inventory and ``result`` from ``page``, at most a hundred keys.

    A page without changes takes three queries, or four if keys were used since the last sweep. Raises
    ``CerbyError`` if Cerby does not answer a further request.
    """
    result.listed += len(page)
    people = owners.of({key.owner_id for key in page})
    ours, refused = _reclaimed(page, people)
    ours |= match_cerby_ids(
        [
            key
            for key in page
            if key.id not in ours and key.id not in refused and key.status == cerby.KeyStatus.ACTIVE
        ]
    )
    result.unaccounted += sum(_shows_lost_work(ours.get(key.id), key, result) for key in page)
    unknown = [key for key in _strangers(page, ours) if key.id not in refused]
    discovered = discover(unknown, people, result.started_at)
    result.discovered += discovered
    result.not_taken += len(unknown) - discovered + len(refused)
    _compare_known([(ours[key.id], key) for key in page if key.id in ours], people, result)
    listed = [key.pk for key in ours.values()]
    ApiKey.objects.filter(pk__in=listed).update(confirmed_at=result.started_at, missing_since=None)


def _reclaimed(
    page: list[cerby.UpstreamKey], people: Mapping[uuid.UUID, User]
) -> tuple[dict[uuid.UUID, ApiKey], set[uuid.UUID]]:
    """Return the rows for ``page``, after the repair of those that the log knows under Cerby's ids.

    The second value has Cerby's ids of the keys whose rows could not be restored.
    """
    ours, refused = _ours(page), set[uuid.UUID]()
    for _ in range(MOST_PASSES):  # a restored id can leave another key of the page without its row
        strangers = [key for key in _strangers(page, ours) if key.id not in refused]
        if not strangers or not reclaim(strangers, people, refused):
            break
        ours = _ours(page)
    return ours, refused


def _strangers(page: list[cerby.UpstreamKey], ours: Mapping[uuid.UUID, ApiKey]) -> list[cerby.UpstreamKey]:
    """Return the keys without a row, except those that were removed before the portal first saw them."""
    return [key for key in page if key.id not in ours and key.status != cerby.KeyStatus.REMOVED]


def _ours(page: list[cerby.UpstreamKey]) -> dict[uuid.UUID, ApiKey]:
    """Return the inventory's rows for ``page`` by Cerby's id. A match by ``externalId``, our id, wins."""
    by_id = {key.id for key in page}
    by_external_id = {key.external_id: key.id for key in page if key.external_id}
    rows = ApiKey.objects.select_related("owner").filter(
        Q(cerby_id__in=by_id) | Q(pk__in=list(by_external_id))
    )
    return {by_external_id.get(row.pk) or row.cerby_id or row.pk: row for row in rows}


def _shows_lost_work(key: ApiKey | None, upstream: cerby.UpstreamKey, result: SweepResult) -> bool:
    """Return whether this key shows activity that the database has lost, as after a restore.

    Either the key has an external id, which only a portal sets, or it was used without ever being viewed.
    """
    if result.silent_since is None or upstream.status != cerby.KeyStatus.ACTIVE:
        return False
    if key is None:
        return upstream.external_id is not None and upstream.created_at > result.silent_since
    used = upstream.last_used_at is not None and upstream.last_used_at > result.silent_since
    return used and key.origin == ApiKey.Origin.GENERATED and key.state in NEVER_VIEWED


Pair = tuple[ApiKey, cerby.UpstreamKey]


@dataclass
class _Differences:
    """The pairs of row and key in Cerby that differ. ``orphans`` are live in Cerby and have ended here."""

    removed: list[Pair] = field(default_factory=list)
    orphans: list[Pair] = field(default_factory=list)
    changed: list[Pair] = field(default_factory=list)
    used: list[ApiKey] = field(default_factory=list)


def _compare_known(pairs: list[Pair], people: Mapping[uuid.UUID, User], result: SweepResult) -> None:
    found = _differences(pairs, people, result)
    wrong = repair_keys([key for key, _ in found.removed + found.changed])
    # A row that has ended without any event does not prove that its key may be revoked.
    wrong |= repair_keys([key for key, _ in found.orphans], must_be_known=True)
    if wrong:
        result.not_taken += sum(not repaired for repaired in wrong.values())
        found = _differences(_repaired(pairs, wrong), people, result)
    for key, upstream in found.removed:
        with _counting_errors(upstream, result):
            _mark_removed(key, upstream, result)
    result.to_revoke += [(key.pk, upstream.id) for key, upstream in found.orphans]
    if found.used:
        ApiKey.objects.bulk_update(found.used, USE_COLUMNS)
    if found.changed:
        _copy_changes(found.changed, people, result)


def _differences(pairs: list[Pair], people: Mapping[uuid.UUID, User], result: SweepResult) -> _Differences:
    found = _Differences()
    for key, upstream in pairs:
        if upstream.status == cerby.KeyStatus.REMOVED:
            if key.phase == Phase.LIVE:
                found.removed.append((key, upstream))
        elif key.state in ENDED_HERE:
            if upstream.status == cerby.KeyStatus.ACTIVE and not _ended_recently(key, result):
                found.orphans.append((key, upstream))
        elif key.phase == Phase.LIVE:
            names = _changed_columns(key, _columns(upstream, people.get(upstream.owner_id) or key.owner))
            if names == {"last_used_at"}:
                for name, value in key.use_columns(upstream.last_used_at).items():
                    setattr(key, name, value)
                found.used.append(key)
            elif names:
                found.changed.append((key, upstream))
    return found


def _repaired(pairs: list[Pair], wrong: Mapping[uuid.UUID, bool]) -> list[Pair]:
    """Return ``pairs`` with the restored rows, without the rows that could not be restored."""
    rows = ApiKey.objects.select_related("owner").in_bulk(
        [key_id for key_id, repaired in wrong.items() if repaired]
    )
    current = [(rows.get(key.pk, key), upstream) for key, upstream in pairs if wrong.get(key.pk, True)]
    # A row whose Cerby id was wrong was compared with another key.
    return [
        (key, upstream)
        for key, upstream in current
        if key.pk not in rows or key.pk == upstream.external_id or key.cerby_id == upstream.id
    ]


@contextmanager
def _counting_errors(upstream: cerby.UpstreamKey, result: SweepResult) -> Iterator[None]:
    """Log and count a key that cannot be stored, for example because another key has its name here."""
    try:
        yield
    except (IntegrityError, DataError, TooLarge):
        result.not_taken += 1
        logger.exception("key_not_taken_over", cerby_id=str(upstream.id))


def _copy_changes(
    changed: list[tuple[ApiKey, cerby.UpstreamKey]], people: Mapping[uuid.UUID, User], result: SweepResult
) -> None:
    keys = [key for key, _ in changed]
    recent = _recent_changes(keys, result)
    # In this order: a change that is in neither set began after the list was read, so its end will be stored.
    unsettled = set(ScopeChange.objects.filter(key__in=keys).values_list("key_id", flat=True))
    for key, listed in changed:
        upstream = _read_again(listed) if key.pk in recent else listed
        with _counting_errors(upstream, result):
            columns = _columns(upstream, people.get(upstream.owner_id) or key.owner)
            seen = recent.get(key.pk, set())
            _copy_change(key, columns, result, seen=seen, unsettled=key.pk in unsettled)


def _recent_changes(keys: list[ApiKey], result: SweepResult) -> dict[uuid.UUID, set[int]]:
    """Return, by key, the events of changes so recent that Cerby's list may not show them yet."""
    changes = AuditEvent.objects.filter(
        key_id__in=[key.pk for key in keys],
        type__in=[Event.KEY_RESCOPE_STARTED, Event.KEY_RESCOPED, Event.KEY_CHANGED],
        at__gt=result.started_at - LISTING_MAY_BE_OLD,
    )
    found = defaultdict[uuid.UUID, set[int]](set)
    for key_id, event_id in changes.values_list("key_id", "pk"):
        assert key_id is not None  # the events are about keys
        found[key_id].add(event_id)
    return found


def _read_again(upstream: cerby.UpstreamKey) -> cerby.UpstreamKey:
    with suppress(CerbyNotFound):
        return cerby.connect().key(upstream.id)
    return upstream


def _changed_columns(key: ApiKey, columns: dict[str, Any]) -> set[str]:
    return {name for name, value in columns.items() if getattr(key, name) != value}


def _ended_recently(key: ApiKey, result: SweepResult) -> bool:
    """Return whether the key was removed so recently that Cerby's list may not show it yet.

    A later time than that of another machine's clock is not the portal's.
    """
    since = result.started_at - LISTING_MAY_BE_OLD
    return key.removed_at is not None and since < key.removed_at <= result.started_at + CLOCKS_DIFFER_BY


def _mark_removed(key: ApiKey, upstream: cerby.UpstreamKey, result: SweepResult) -> None:
    removed_at = upstream.removed_at or result.started_at
    before, after = {"status": "active"}, {"status": "removed"}
    # On a conflict, somebody is changing the key; the next sweep compares again.
    with suppress(Conflict), transaction.atomic():
        transition(
            key,
            Transition.VANISH,
            Event.KEY_CHANGED,
            None,
            changes={"removed_at": removed_at},
            before=before,
            after=after,
            removed_at=removed_at.isoformat(),
        )
        RevealGrant.withdraw(key)
        result.changed += 1


def _copy_change(
    key: ApiKey, columns: dict[str, Any], result: SweepResult, *, seen: set[int], unsettled: bool
) -> None:
    """Store the columns that differ in Cerby, and record those that people would want to know.

    ``seen``: the events of recent changes before Cerby was read. ``unsettled``: a change of the key's scopes
    is under way, or its answer was lost.
    """
    before = {name: getattr(key, name) for name in columns}
    names = _to_copy(key, columns)
    if not names:
        return
    unchanged = ApiKey.objects.filter(pk=key.pk, state=key.state, scopes=key.scopes)
    stored = _to_store(key, columns, names)
    with transaction.atomic():
        if (unsettled and ScopeChange.is_running(key)) or (unchanged.update(**stored) != 1):
            return  # somebody is changing the key; the next sweep compares again
        # The row is locked now. It may have been changed, and changed back, since Cerby was read.
        if "scopes" in names and _recent_changes([key], result).get(key.pk, set()) != seen:
            transaction.set_rollback(True)
            return
        if unsettled and "scopes" in names and record_lost_change(key, columns["scopes"]):
            result.changed += 1
            names = names - {"scopes"}
        if "owner" not in names and names & _COPIES:  # the owner's own row did not change
            copies = {name: columns[name] for name in names & _COPIES}
            log.append(Event.KEY_REPAIRED, actor=None, key=key, **details_of(before, copies))
            names = names - _COPIES
        if names - _UNREPORTED:
            result.changed += 1
            details = details_of(before, {name: columns[name] for name in names - _UNREPORTED})
            if "owner" in names:
                details["owner_id"] = str(columns["owner"].pk)
            log.append(Event.KEY_CHANGED, actor=None, key=key, **details)
        _follow(key, stored)


def _follow(key: ApiKey, stored: dict[str, Any]) -> None:
    """Let a certificate end if the key can do more now, or acts as another person."""
    if stored.keys() & {"scopes", "owner"}:
        follow_certificate(key.pk, None)


def _to_store(key: ApiKey, columns: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the columns ``names``, and those that follow from them."""
    stored = {name: columns[name] for name in names}
    if "last_used_at" in names:
        stored |= key.use_columns(columns["last_used_at"])
    if names & {"name_order", "owner"}:
        stored["holds_name"] = None  # Cerby allows several keys with one name
    return stored


def _to_copy(key: ApiKey, columns: dict[str, Any]) -> set[str]:
    """Return the columns that differ, except the copies of an owner's row that has just changed.

    Another process has updated these, or will.
    """
    names = _changed_columns(key, columns)
    if "owner" in names or not names & _COPIES:
        return names
    row = ApiKey.objects.select_related("owner").get(pk=key.pk)
    are_right = all(getattr(row, name) == value for name, value in ApiKey.owner_columns(row.owner).items())
    return names - _COPIES if are_right or row.owner.copies_due_at is not None else names


_COPIES = {"owner_name", "owner_order", "owner_email"}
"""Columns that repeat the owner's row. Whatever changes that row changes them too."""
_UNREPORTED = {"last_used_at", "name_order", "owner", "owner_name", "owner_order"}
"""Columns without an event: use is not a change, and a new owner is reported by ``owner_email`` alone."""


def _columns(upstream: cerby.UpstreamKey, owner: User) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "owner": owner,
        **ApiKey.owner_columns(owner),
        "name": upstream.name[:100],
        "name_order": fold(upstream.name[:100]),
        "scopes": in_order(upstream.scopes),
        "last_used_at": upstream.last_used_at,
        "cerby_id": upstream.id,
    }
    if upstream.expires_at is not None:
        columns["expires_at"] = upstream.expires_at
    return columns
