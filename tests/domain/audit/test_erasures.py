"""An erasure covers only the events that it lists, so that nobody can blank others behind it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.db import connection

from keys.actions.people.erase import erase_person
from keys.audit import erasures, log
from keys.audit.bundle import write_bundle
from keys.audit.self_check import check
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.tlog.checkpoint import vkeys
from keys.verifier.verify_bundle import Kind, bundle_at, known_keys, verify
from tests.support.sealed_log import add_events

ME = uuid.UUID(int=1)
BLANK = """
    UPDATE keys_auditevent SET actor_name = '', actor_email = '', ip = '', browser = '', personal = '{}', salt = NULL
    WHERE id = %s
"""
"""What an attacker may do: the triggers and the grants allow it, because it looks like an erasure."""


def blank(event: AuditEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute(BLANK, [event.pk])


def found() -> dict[Kind, int]:
    seal_all(ME)
    sign()
    return {damage.kind: damage.index for damage in check().damage}


def leave(cast, name: str) -> str:
    person = cast[name]
    person.is_active = False
    person.save(update_fields=["is_active"])
    return person.email


def test_an_erasure_of_somebody_else_hides_no_other_blank(signed_here, cast, tmp_path):
    mine, _, theirs = (add_events(1, actor_id=cast[name].pk)[0] for name in ("owner", "admin", "user"))
    seal_all(ME)
    blank(mine)
    assert erase_person(None, leave(cast, "user")) == 1
    assert found() == {Kind.ERASED: 0}
    assert AuditEvent.objects.get(pk=theirs.pk).salt is None

    with (tmp_path / "record.zip").open("wb") as file:
        write_bundle(file)
    bundle, _ = bundle_at(tmp_path / "record.zip")
    assert set(verify(bundle, known_keys(vkeys())).found) == {Kind.ERASED}


def test_a_long_list_is_split_over_several_events(signed_here, cast):
    add_events(erasures.IN_ONE_EVENT + 5, actor_id=cast["user"].pk)
    assert erase_person(None, leave(cast, "user")) == erasures.IN_ONE_EVENT + 5
    listed = AuditEvent.objects.filter(type=Event.PERSON_ERASED).order_by("id")
    counts = [event.details["events"] for event in listed]
    assert (sum(counts), max(counts) <= erasures.IN_ONE_EVENT) == (erasures.IN_ONE_EVENT + 5, True)
    assert found() == {}


def test_a_person_without_events_is_erased_as_well(signed_here, cast):
    assert erase_person(None, leave(cast, "user")) == 0
    assert AuditEvent.objects.get(type=Event.PERSON_ERASED).details["leaves"] == []


@pytest.fixture
def erased_before_the_lists(signed_here: Path) -> list[AuditEvent]:
    """A log of an earlier version, in which an erasure does not list its events."""
    events = add_events(3)
    blank(events[0])
    log.append(Event.PERSON_ERASED, actor=None, person="7", events=1)
    return events


def test_an_old_erasure_keeps_covering_what_was_erased(erased_before_the_lists):
    assert found() == {}
    erasures.list_earlier_erasures()
    assert AuditEvent.objects.get(type=Event.ERASED_LISTED).details["events"] == 1
    assert found() == {}
    erasures.list_earlier_erasures()
    assert AuditEvent.objects.filter(type=Event.ERASED_LISTED).count() == 1


def test_an_old_erasure_hides_no_new_blank(erased_before_the_lists):
    erasures.list_earlier_erasures()
    blank(erased_before_the_lists[1])
    assert found() == {Kind.ERASED: 1}


def test_a_new_erasure_lists_the_old_ones_first(erased_before_the_lists, cast):
    erase_person(None, leave(cast, "user"))
    assert found() == {}
    blank(erased_before_the_lists[1])
    assert found() == {Kind.ERASED: 1}


def test_an_event_blanked_after_a_later_erasure_without_a_list_is_found(erased_before_the_lists):
    """The attacker would have to get an erasure without a list into the log, which the portal no longer writes."""
    erasures.list_earlier_erasures()
    log.append(Event.PERSON_ERASED, actor=None, person="8", events=1)
    blank(erased_before_the_lists[2])
    assert found() == {Kind.ERASED: 2}
