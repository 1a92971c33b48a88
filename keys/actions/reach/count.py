"""Count the items that people own in Cerby, each night, and find keys that can open more than before.

A run asks for a bounded number of people, and the next one continues. No transaction is open during a call.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from keys import cerby
from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import LISTED, ApiKey, KeyScope, Reach, User
from keys.rules.errors import CerbyError, CerbyForbidden, CerbyNotFound, CerbyUnauthorized
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import Phase
from keys.rules.notifications import Kind
from keys.rules.reach import MOST_ITEMS, OPENED_BY, Items, growth_in_words
from keys.rules.visible import named
from keys.selectors.key.people_of_keys import COLUMNS, who_answers
from keys.selectors.key.reach import growth, known_counts, microseconds

PEOPLE_AT_ONCE, MOST_ROWS = 100, 2_000
"""People for whom one run asks Cerby, and rows that it looks at: most people own no key."""
KEYS_AT_ONCE = 200
"""Keys of one person that a run changes in one way. The next run continues."""
NEW_PEOPLE = 500
LONGEST_RUN = 60
"""Seconds after which a run begins with no further person."""
NIGHT = 2
"""The hour, in the server's time zone, from which everybody is counted again."""
LEASE = timedelta(minutes=10)
"""When another worker may count a person, if the one that began has died."""
AGAIN_AFTER = timedelta(hours=1)
HASH_LENGTH = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count_reach() -> str:
    """Count the people who are due. Return a summary. Raises ``CerbyError`` if Cerby does not answer."""
    _add_people()
    _ask_soon_for_new_keys()
    ends, people = time.monotonic() + LONGEST_RUN, 0
    due = Reach.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    for row in due.select_related("person")[:MOST_ROWS]:
        if people == PEOPLE_AT_ONCE or time.monotonic() > ends:
            break
        if _claim(row):
            people += _count(row)
    return f"People counted: {people}"


def _add_people() -> None:
    now = timezone.now()
    new = User.objects.filter(reach=None).order_by("pk").values_list("pk", flat=True)[:NEW_PEOPLE]
    rows = [Reach(person_id=pk, salt=get_random_string(32), due_at=now) for pk in new]
    Reach.objects.bulk_create(rows, ignore_conflicts=True)


def _ask_soon_for_new_keys() -> None:
    """Let the owners of the newest keys be counted now, unless that has been tried since the key was made."""
    newest = ApiKey.objects.filter(LISTED).order_by("-created_at", "-id")
    columns = ("owner_id", "created_at", "phase", "reach_since")
    owners: dict[int, datetime] = {}
    for owner, created_at, phase, since in newest.values_list(*columns)[:KEYS_AT_ONCE]:
        if since is None and phase == Phase.LIVE:
            owners.setdefault(owner, created_at)
    now = timezone.now()
    for owner, created_at in owners.items():
        Reach.objects.filter(pk=owner, tried_at__lt=created_at, due_at__gt=now).update(due_at=now)


def _claim(row: Reach) -> bool:
    until = timezone.now() + LEASE
    claimed = Reach.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=until) == 1
    row.due_at = until
    return claimed


def _count(row: Reach) -> bool:
    """Count one person's items, and return whether Cerby was asked: it is not about people without keys."""
    now = timezone.now()
    if not ApiKey.objects.filter(owner=row.person_id, phase=Phase.LIVE).exists():
        _store(row, due_at=_next_night(now))
        return False
    try:
        found = {items: _ids(row.person.cerby_id, items) for items in Items}
    except CerbyError:
        _store(row, due_at=now + AGAIN_AFTER, tried_at=now)
        raise
    counts = {items.value: None if ids is None else len(ids) for items, ids in found.items()}
    if any(ids is not None for ids in found.values()):
        _note(row, found, now)
    if _store(row, tried_at=now, counted_at=row.counted_at, items=row.items, **counts):
        _store(row, due_at=_next_night(now) if _compare(row) else now)
    return True


def _store(row: Reach, **columns: Any) -> bool:
    """Change the row, unless another worker has taken it over meanwhile."""
    return Reach.objects.filter(pk=row.pk, due_at=row.due_at).update(**columns) == 1


def _ids(person: UUID, items: Items) -> list[UUID] | None:
    """Return the ids of a list, or None if Cerby does not tell, or not with this credential."""
    try:
        return cerby.connect().items_of(person, items, most=MOST_ITEMS)
    except (CerbyUnauthorized, CerbyForbidden, CerbyNotFound):
        return None


def _note(row: Reach, found: dict[Items, list[UUID] | None], now: datetime) -> None:
    """Put the counts into ``row``, and the hashes of the items with the time of their first count."""
    row.counted_at, at = now, microseconds(now)
    for items, ids in found.items():
        if ids is not None:
            setattr(row, items.value, len(ids))
            known = row.items.get(items.value)
            first = 0 if known is None else at
            hashes = (_hash(row.salt, item) for item in ids)
            row.items[items.value] = {each: (known or {}).get(each, first) for each in hashes}


def _hash(salt: str, item: UUID) -> str:
    return hashlib.sha256(f"{salt}{item}".encode()).hexdigest()[:HASH_LENGTH]


def _next_night(now: datetime) -> datetime:
    local = timezone.localtime(now, timezone.get_default_timezone())
    night = local.replace(hour=NIGHT, minute=0, second=0, microsecond=0)
    return night if night > local else night + timedelta(days=1)


def _compare(row: Reach) -> bool:
    """Compare the person's live keys with the counts. Return whether that is done for all of them."""
    if row.counted_at is None:
        return True
    live = ApiKey.objects.filter(owner=row.person_id, phase=Phase.LIVE)
    new = list(live.filter(reach_since=None).values_list("pk", flat=True)[: 5 * KEYS_AT_ONCE])
    ApiKey.objects.filter(pk__in=new, phase=Phase.LIVE).update(reach_since=row.counted_at)
    grown, mailed = 0, set[int]()
    for items, scopes in OPENED_BY.items():
        newest = row.newest(items)
        if newest:
            moment = _EPOCH + timedelta(microseconds=newest)
            opening = Exists(KeyScope.objects.filter(key=OuterRef("pk"), scope__in=scopes))
            wider = live.filter(opening, reach_grew_at=None, reach_since__lt=moment)
            for key in wider.select_related(*COLUMNS)[:KEYS_AT_ONCE]:
                grown += _note_growth(key, row, mailed)
    _clear(row)
    return len(new) < 5 * KEYS_AT_ONCE and grown < KEYS_AT_ONCE


def _note_growth(key: ApiKey, row: Reach, mailed: set[int]) -> bool:
    """Mark ``key``, record the event and tell people, unless another process has or the key is gone."""
    grown = growth(key, row)
    if not grown:
        return False
    assert key.reach_since is not None
    same = ApiKey.objects.filter(pk=key.pk, phase=Phase.LIVE, reach_grew_at=None, reach_since=key.reach_since)
    with transaction.atomic():
        if same.update(reach_grew_at=row.counted_at) != 1:
            return False
        log.append(
            Event.KEY_REACH_GREW,
            actor=None,
            key=key,
            grown={items.value: count for items, count in grown.items()},
            reach=known_counts(row),
            since=utc_microseconds(key.reach_since),
        )
        _tell(key, grown, mailed)
    return True


def _tell(key: ApiKey, grown: dict[Items, int], mailed: set[int]) -> None:
    """Tell the accountable person or the backup, or else the owner. ``mailed``: who has a mail already."""
    to = who_answers(key) or key.owner
    notify(
        Kind.REACH_GROWN,
        words=f"“{named(key.name)}” can open more than before: {growth_in_words(grown)}.",
        text="Other keys of the same owner may reach more as well.",
        path=reverse("keys:key", args=[key.pk]),
        to=[to],
        key=key,
        mail=to.pk not in mailed,
    )
    mailed.add(to.pk)


def _clear(row: Reach) -> None:
    """Take the mark from keys whose owner no longer owns the new items, or whose scopes don't open them."""
    marked = ApiKey.objects.filter(owner=row.person_id, reach_grew_at__isnull=False)
    for key in marked[:KEYS_AT_ONCE]:
        if not growth(key, row):
            with transaction.atomic():
                same = ApiKey.objects.filter(pk=key.pk, reach_since=key.reach_since)
                if same.update(reach_grew_at=None):
                    settle(Kind.REACH_GROWN, key=key)
