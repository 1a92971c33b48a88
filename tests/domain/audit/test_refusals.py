"""Test that refused attempts cannot fill the audit log, and that none is lost."""

from __future__ import annotations

import time

import pytest

from keys.actions.keys.claim import claim_key
from keys.actions.people import erase, sign_in
from keys.audit import guard, refusals
from keys.models import AuditEvent, RefusalCount, Throttle, User
from keys.rules.errors import Gone, NotAllowed
from keys.rules.events import Event
from keys.rules.permissions import Action
from tests.cast import a_key, actor, said_by


def refused(user: User, action: Action = Action.GENERATE_KEY, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(NotAllowed):
            guard.authorize(actor(user), action)


def a_minute_later() -> None:
    Throttle.objects.update(busy_until=time.time() - 1)


def told(event: Event = Event.ATTEMPT_REFUSED) -> list[int]:
    """Return for each event how many refusals it stands for."""
    rows = AuditEvent.objects.filter(type=event, outcome="refused").order_by("id")
    return [1 + said_by(row).get("further_refusals", 0) for row in rows]


def test_many_refusals_are_one_event_a_minute_which_counts_the_others(cast):
    refused(cast.guest, times=50)
    assert told() == [1]
    assert refusals.record_waiting() == 0
    a_minute_later()
    refused(cast.guest)
    assert told() == [1, 50]
    assert not RefusalCount.objects.exists()


def test_a_job_records_the_counted_refusals_if_no_other_follows(cast):
    key = a_key(cast.owner, name="Payroll")
    refused(cast.guest, times=3)
    with pytest.raises(NotAllowed):
        guard.authorize(cast.guest.as_actor(ip="198.51.100.9", browser="curl"), Action.GENERATE_KEY, key)
    a_minute_later()
    assert refusals.record_waiting() == 1
    assert told() == [1, 3]
    last = AuditEvent.objects.filter(type=Event.ATTEMPT_REFUSED).latest("id")
    assert (last.ip, last.browser, last.key_name, last.details["action"], last.actor_id) == (
        "198.51.100.9", "curl", "Payroll", "key:generate", cast.guest.pk,
    )  # fmt: skip
    assert refusals.record_waiting() == 0
    refused(cast.guest)
    assert told() == [1, 3], "the event of the job counts for the minute, too"


def test_people_and_actions_have_limits_of_their_own(cast):
    for person in (cast.guest, cast.user):
        refused(person, times=2)
        refused(person, Action.SEE_CONFIGURATION, times=2)
    assert told() == [1] * 4
    assert RefusalCount.objects.count() == 4


def test_guesses_from_many_addresses_are_counted(cast):
    for number in range(40):
        sign_in.record_failure(cast.guest.email, ip=f"203.0.113.{number}", browser="curl")
        sign_in.record_throttled(cast.guest.email, ip=f"203.0.113.{number}", browser="curl")
    assert told(Event.SIGNED_IN) == [1] * 30
    a_minute_later()
    refusals.record_waiting()
    assert told(Event.SIGNED_IN) == [1] * 30 + [50]


def test_repeated_views_are_counted(cast):
    key = a_key(cast.admin)
    for _ in range(35):
        with pytest.raises(Gone):
            claim_key(actor(cast.admin), key.pk, session="tab")
    assert told(Event.KEY_REVEALED) == [1] * 30
    assert RefusalCount.objects.get().waiting == 5


def test_strangers_write_no_event(cast):
    for _ in range(3):
        sign_in.record_failure("nobody@contenzilla.example", ip="203.0.113.5", browser="curl")
        sign_in.record_throttled("nobody@contenzilla.example", ip="203.0.113.5", browser="curl")
    assert not AuditEvent.objects.exists()


def test_the_counts_of_an_erased_person_are_recorded_and_erased(cast):
    refused(cast.guest, times=5)
    User.objects.filter(pk=cast.guest.pk).update(is_active=False)
    erase.erase_person(None, cast.guest.email)
    assert told() == [1, 4]
    assert not RefusalCount.objects.exists()
    assert set(AuditEvent.objects.filter(type=Event.ATTEMPT_REFUSED).values_list("ip", "actor_name")) == {
        ("", "")
    }


def test_a_row_that_the_portal_has_not_written_makes_no_event(cast):
    """Otherwise a person with the database makes the portal sign that somebody else was refused."""
    RefusalCount.objects.create(
        name="a" * 64, event=Event.SIGNED_IN, user=cast.owner, reason="The password was wrong."
    )
    assert refusals.record_waiting() == 0
    assert not RefusalCount.objects.exists()
    assert told(Event.SIGNED_IN) == []


def test_a_changed_count_makes_no_event_about_somebody_else(cast):
    refused(cast.guest, times=3)
    RefusalCount.objects.update(user=cast.owner)
    a_minute_later()
    assert refusals.record_waiting() == 0
    assert told() == [1]
    refused(cast.guest, times=3)
    a_minute_later()
    assert refusals.record_waiting() == 1
