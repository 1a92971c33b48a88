"""Verify the record: a button, a task in the background, and what was found, in words."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.actions.verify_record import carry_out
from keys.audit.signing import sign
from keys.audit.verify_bundle import Kind
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Verification
from tests.cast import an_event, said_by
from tests.pages.helpers import events, messages_of, rows, text

PAGE, START = "/activity/verify/", "/activity/verify/start/"


@pytest.fixture
def admin(browser_of, settings, tmp_path):
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    return browser_of("admin")


def run_what_is_enqueued() -> None:
    for result in DBTaskResult.objects.filter(task_path="keys.jobs.tasks.verify_record"):
        result.task.call(*result.args_kwargs["args"])


def some_sealed_events() -> None:
    for _ in range(3):
        an_event().save()
    seal_all(uuid.UUID(int=1))
    sign()


def test_before_anybody_asked_it_says_so(admin):
    assert "Not verified yet" in text(admin.get(PAGE))


def test_the_button_starts_it_and_the_page_says_what_was_found(admin):
    some_sealed_events()
    started = admin.post(START, follow=True)
    assert messages_of(started) == "The record is being verified. Reload this page to see what was found."
    assert "The record is being verified Admin Person started it" in text(started)
    assert "Verify now" not in text(started)

    run_what_is_enqueued()
    found = text(admin.get(PAGE))
    assert "Nothing is wrong Every event is as it was sealed, and in its place." in found
    assert "Events 3 sealed, 1 not sealed yet" in found
    assert "Newest checkpoint 3 events, signed" in found
    assert [(event.outcome, said_by(event)) for event in events(type="record:verify")] == [
        ("done", {"events": 3, "damage": []})
    ]
    assert [event.actor_name for event in events(type="record:start-verify")] == ["Admin Person"]


def test_damage_is_told_in_plain_words_and_recorded(admin):
    some_sealed_events()
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TRIGGER keys_auditevent_no_update"
            + (" ON keys_auditevent" if connection.vendor == "postgresql" else "")
        )
    AuditEvent.objects.filter(sealed__index=1).update(actor_role="Owner")
    admin.post(START)
    run_what_is_enqueued()
    page = admin.get(PAGE)
    assert "The record is damaged" in text(page)
    assert rows(page) == [
        {
            "Where first": "Event 1 COLUMNS",
            "What it means": Kind.COLUMNS.value,
            "Details": "actor_role",
            "Times": "1",
        }
    ]
    [event] = events(type="record:verify")
    assert (event.outcome, event.details["damage"]) == ("failed", ["COLUMNS at event 1"])


def test_while_one_runs_another_is_not_started(admin):
    admin.post(START)
    assert admin.post(START).status_code == 409
    assert Verification.objects.count() == 1


def test_one_that_never_ended_does_not_stand_in_the_way_for_ever(admin):
    admin.post(START)
    Verification.objects.update(asked_at=timezone.now() - timedelta(hours=7))
    assert "started it" not in text(admin.get(PAGE))
    assert admin.post(START).status_code == 302


def test_what_is_carried_out_twice_is_recorded_once(admin):
    admin.post(START)
    verification = Verification.objects.get()
    carry_out(verification)
    carry_out(verification)
    assert len(events(type="record:verify")) == 1


def test_a_record_that_cannot_be_read_is_not_called_whole(admin, settings, tmp_path):
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"
    settings.PORTAL_AUDIT_ANCHOR_FILE.write_text("no JSON\n")
    admin.post(START)
    run_what_is_enqueued()
    found = text(admin.get(PAGE))
    assert "It broke off" in found
    assert "Nothing is wrong" not in found
    assert [event.outcome for event in events(type="record:verify")] == ["failed"]


def test_the_page_shows_the_public_key_and_how_to_do_without_the_portal(admin):
    found = text(admin.get(PAGE))
    assert "testserver/audit+" in found
    assert "python verify_bundle.py record.zip --vkey vkey" in found
