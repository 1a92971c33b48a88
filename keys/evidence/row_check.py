"""Find rows of keys, rotations, people, links, second factors, grants and plans that contradict the log.

Each action changes a row and appends its event in one transaction, so replaying the events gives the row.
A difference means that somebody changed the database without the portal. Values that no event has, because
older events did not record them, are not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from keys.evidence.contradiction import Contradiction
from keys.evidence.exception_rows import changed_exceptions
from keys.evidence.factor_rows import changed_factors
from keys.evidence.leaver_rows import changed_plans, changed_reach
from keys.evidence.logged_facts import lacks_fingerprint, wrong_facts
from keys.evidence.logged_keys import LoggedKey, logged_keys
from keys.evidence.logged_links import changed_links
from keys.evidence.logged_people import former_values
from keys.evidence.notification_rows import changed_notifications
from keys.evidence.people_rows import changed_people, count_unbound_passwords
from keys.evidence.policy_rows import changed_policies
from keys.evidence.request_rows import changed_requests
from keys.evidence.rotation_rows import changed_rotations
from keys.evidence.rotation_task_rows import changed_rotation_tasks
from keys.models import ApiKey, AuditEvent, Quarantine, Sealed
from keys.rules.events import BEGINS, Event
from keys.rules.folded_text import fold, foldings
from keys.verifier.verify_bundle import Kind, Report

_EVENTS_ARE_MISSING = frozenset({Kind.EMPTY, Kind.MISSING, Kind.TRUNCATED, Kind.ROLLED_BACK, Kind.FORK})
_JOINED = ("grant", "owner", "accountable")
PAGE = 500
ATTEMPTS = 5
"""How often a key is read again if it changes while it is compared."""


def check_rows(report: Report) -> int:
    """Add the contradictions between rows and events to ``report``, at the newest event about each row.

    Return how many rows could be compared only in part: their events are older than the digest of a
    fingerprint or a password. If events are missing, the report says so already, and the rows would
    contradict the rest.
    """
    if not report.found.keys().isdisjoint(_EVENTS_ARE_MISSING):
        return 0
    partly = Counter[str]()
    for event_id, words in contradictions(partly):
        index = Sealed.objects.filter(event_id=event_id).values_list("index", flat=True).first()
        report.add(Kind.ROWS, report.events if index is None else index, words)
    return partly.total() + count_unbound_passwords()


def contradictions(partly: Counter[str] | None = None) -> Iterator[Contradiction]:
    """Compare every row with the events. Memory stays flat for keys; people are all in memory.

    Count in ``partly`` the keys whose events do not record their fingerprint.
    """
    yield from _deleted_keys()
    yield from _changed_keys(Counter() if partly is None else partly)
    yield from changed_people()
    yield from changed_links()
    yield from changed_factors()
    yield from changed_plans()
    yield from changed_reach()
    yield from changed_rotations()
    yield from changed_rotation_tasks()
    yield from changed_notifications()
    yield from changed_policies()
    yield from changed_exceptions()
    yield from changed_requests()
    yield from _changed_quarantine()


def _changed_quarantine() -> Iterator[Contradiction]:
    """Compare whether the quarantine is on. Read the row between two equal readings of the log."""
    for _ in range(ATTEMPTS):
        before, is_on = _newest_of_quarantine(), Quarantine.objects.filter(since__isnull=False).exists()
        if before == _newest_of_quarantine():
            event_id, kind = before or (None, "")
            if is_on != (kind == Event.QUARANTINE_STARTED):
                words = "on" if is_on else "off"
                yield Contradiction(event_id, f"The quarantine is {words} in its row, but not in the log.")
            return


def _newest_of_quarantine() -> tuple[int, str] | None:
    events = AuditEvent.objects.filter(type__in=[Event.QUARANTINE_STARTED, Event.QUARANTINE_ENDED])
    return events.order_by("-at", "-id").values_list("id", "type").first()


def _deleted_keys() -> Iterator[Contradiction]:
    rows = ApiKey.objects.filter(pk=OuterRef("key_id"))
    births = AuditEvent.objects.filter(type__in=BEGINS, key_id__isnull=False).exclude(Exists(rows))
    for event_id, key_id, name in births.order_by("id").values_list("id", "key_id", "key_name").iterator():
        yield Contradiction(event_id, f"The row of the API key “{name}” ({key_id}) was deleted.")


def _changed_keys(partly: Counter[str]) -> Iterator[Contradiction]:
    after = UUID(int=0)
    while page := list(ApiKey.objects.filter(pk__gt=after).order_by("pk").select_related(*_JOINED)[:PAGE]):
        logged = logged_keys([key.pk for key in page])
        for key in page:
            partly["keys"] += bool(logged[key.pk].events) and lacks_fingerprint(logged[key.pk])
            if _differences(key, logged[key.pk]):
                yield from _compare_again(key.pk)
        after = page[-1].pk


def _compare_again(key_id: UUID) -> Iterator[Contradiction]:
    """Read one key and its events until no event is appended between the two reads, then compare them."""
    for _ in range(ATTEMPTS):
        before = logged_keys([key_id])[key_id]
        key = ApiKey.objects.filter(pk=key_id).select_related(*_JOINED).first()
        logged = logged_keys([key_id])[key_id]
        if key is None:
            return  # _deleted_keys() reports it in the next verification
        if before == logged:
            newest = logged.events[-1].id if logged.events else None
            for words in _differences(key, logged):
                yield Contradiction(newest, f"API key “{key.name}” ({key_id}): {words}")
            return


def _differences(key: ApiKey, logged: LoggedKey) -> list[str]:
    if not logged.events:
        return ["the audit log has no event about it."]
    found = [
        f"{name} is {row!r} in its row, and {right!r} according to the log."
        for name, (row, right) in logged.wrong_values(key).items()
    ]
    found += [
        f"{name} is {_plain(row)} in its row, and {_plain(right)} according to the log."
        for name, row, right in wrong_facts(key, logged)
    ]
    if logged.has_wrong_state(key):
        found.append(f"state is {key.state!r} in its row, and {_or(logged.states)} according to the log.")
    if logged.allows_second_view(getattr(key, "grant", None)):
        found.append("its one view was used, and its row allows another one.")
    return found + [
        f"{name} is {row!r} in its row, and must be {right!r}." for name, row, right in _wrong_copies(key)
    ]


def _wrong_copies(key: ApiKey) -> Iterator[tuple[str, str, str]]:
    """Yield the columns that repeat other values, and do not: name, value and right value.

    A key that is added while its owner is renamed may keep a former value of that person. The copies of a
    person's columns may differ while they are due.
    """
    for name in ("name", "owner_name", "accountable_name", "team", "system"):
        column, right = f"{name.removesuffix('_name')}_order", fold(getattr(key, name))
        accepted = foldings(key.name) if name == "name" else {right}
        if getattr(key, column) not in accepted:
            yield column, getattr(key, column), right
    for role, person in (("owner", key.owner), ("accountable", key.accountable)):
        if person is not None and person.copies_due_at is not None:
            continue
        for name in ("name", "email"):
            row, right = getattr(key, f"{role}_{name}"), getattr(person, name, "")
            if row != right and (person is None or row not in former_values(person)):
                yield f"{role}_{name}", row, right


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _or(states: frozenset[str]) -> str:
    return " or ".join(repr(state) for state in sorted(states))
