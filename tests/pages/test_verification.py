"""Test the page Verify the audit log: the button, the background task, and the result."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.actions.audit.verify import carry_out
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.jobs.tasks import verify
from keys.models import AuditEvent, Verification
from keys.verifier.verify_bundle import Kind
from tests.cast import an_event, record_people, said_by
from tests.pages.helpers import (
    HTMX,
    Response,
    attribute,
    elements,
    events,
    links,
    messages_of,
    reason_beside,
    rows,
    text,
    the,
    words,
)

PAGE, START, EXPLAIN = "/activity/verify/", "/activity/verify/start/", "/activity/verify/explain/"
WHY = "The clock of node 2 was wrong from 9 to 10, ticket 4711."


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
    record_people()


def test_an_interrupted_verification_does_not_block_a_new_one(admin):
    broken_off = Verification.objects.create(asked_at=timezone.now(), asked_by="The portal")
    verify.func()
    [only] = Verification.objects.all()
    assert (only, only.finished_at is not None) == (broken_off, True)
    admin.post(START)
    assert Verification.objects.count() == 2


def test_before_the_first_verification(admin):
    assert "Not verified yet" in text(admin.get(PAGE))


def test_the_button_starts_it_and_the_page_shows_the_result(admin):
    some_sealed_events()
    started = admin.post(START, follow=True)
    assert "The audit log is being verified Admin Person started it" in text(started)
    assert "Verify now" not in text(started)
    assert attribute(the(started, id="found"), "hx-trigger") == "every 2s"

    run_what_is_enqueued()
    part = admin.get(PAGE, headers=HTMX)
    assert attribute(the(part, id="found"), "hx-trigger") is None
    found = text(admin.get(PAGE))
    assert found.endswith(text(part)) or text(part) in found
    assert "The audit log is intact Every event is unchanged and in its place." in found
    assert "Events 3 sealed, 13 not sealed yet" in found
    assert "Newest checkpoint 3 events, signed" in found
    assert [(event.outcome, said_by(event)) for event in events(type="record:verify")] == [
        ("done", {"events": 3, "damage": []})
    ]
    assert [event.actor_name for event in events(type="record:start-verify")] == ["Admin Person"]


def damage(index: int) -> None:
    """Change the role in event ``index``, as an attacker with access to the tables could."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'keys_auditevent_no_update'")
        [(trigger,)] = cursor.fetchall()
        cursor.execute("DROP TRIGGER keys_auditevent_no_update")
        AuditEvent.objects.filter(sealed__index=index).update(actor_role="Owner")
        cursor.execute(trigger)


def verified(browser: Client) -> Response:
    browser.post(START)
    run_what_is_enqueued()
    return browser.get(PAGE)


def test_damage_is_told_in_plain_words_and_recorded(admin):
    some_sealed_events()
    damage(1)
    page = verified(admin)
    assert "The audit log is damaged" in text(page)
    assert rows(page) == [
        {
            "First event": "Event 1 COLUMNS",
            "Meaning": Kind.COLUMNS.value,
            "Details": "actor_role",
            "Count": "1",
            "Explanation": "none",
        }
    ]
    uid = AuditEvent.objects.get(sealed__index=1).uid
    assert links(page)["Event 1"] == f"/activity/{uid}/"
    assert admin.get(f"/activity/{uid}/").status_code == 200
    assert not elements(page, id="id_explanation"), "an Admin may not explain it away"
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


def test_a_repeated_task_is_recorded_once(admin):
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
    assert "The verification did not finish" in found
    assert "The audit log is intact" not in found
    assert [event.outcome for event in events(type="record:verify")] == ["failed"]


def test_the_page_shows_the_public_key_and_how_to_do_without_the_portal(admin):
    found = text(admin.get(PAGE))
    assert "testserver/audit+" in found
    assert "python verify_bundle.py record.zip --vkey vkey" in found


@pytest.fixture
def owner(admin, browser_of):
    return browser_of("owner")


def explained(browser: Client, **changed: str) -> Response:
    shown = the(browser.get(PAGE), name="verification")
    body = {"verification": attribute(shown, "value"), "explanation": WHY} | changed
    return browser.post(EXPLAIN, body, follow=True)


def test_explained_damage_raises_no_alert_and_stays_visible(owner, cast):
    some_sealed_events()
    damage(1)
    assert "The audit log is damaged Change nothing" in text(verified(owner))
    assert f"The last verification found damage. Event 1: {Kind.COLUMNS.value}" in text(owner.get("/"))
    assert f"Audit log The last verification found damage. Event 1: {Kind.COLUMNS.value}" in text(
        owner.get("/")
    )
    assert owner.get("/readyz").json()["audit"] == "damaged"

    page = explained(owner)
    assert messages_of(page) == "The explanation is now part of the audit log."
    assert "The audit log is damaged, and all damage is explained" in text(page)
    assert rows(page)[0]["Explanation"].startswith(f"{WHY} Owner Person, ")
    assert not elements(page, id="id_explanation")
    [event] = events(type="record:explain")
    assert (event.actor_role, event.details) == (
        "Owner",
        {"damage": ["COLUMNS at event 1"], "explanation": WHY},
    )
    assert owner.get("/readyz").json()["audit"] == "damaged", "an event that waits could still disappear"

    seal_all(uuid.UUID(int=1))
    assert "The last verification found" not in text(owner.get("/"))
    assert owner.get("/readyz").json()["audit"] == "ok"
    assert "all damage is explained" in text(verified(owner))


def test_new_damage_raises_an_alert_again(owner):
    some_sealed_events()
    damage(1)
    verified(owner)
    explained(owner)
    damage(2)
    page = verified(owner)
    assert "The audit log is damaged Change nothing" in text(page)
    assert [(row["Count"], row["Explanation"]) for row in rows(page)] == [("2", "none")]
    assert "Event 1, 2 times: " in text(owner.get("/"))


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("  ", "The explanation is missing. Enter 1 to 500 characters."),
        ("x" * 501, "The explanation has 501 characters; 500 are allowed."),
    ],
)
def test_an_explanation_says_something_and_is_kept_where_it_cannot_be_used(owner, typed, reason):
    some_sealed_events()
    damage(1)
    verified(owner)
    refused = explained(owner, explanation=typed)
    assert refused.status_code == 422
    assert reason_beside(refused, "id_explanation") == reason
    assert words(the(refused, id="id_explanation")) == typed.strip()
    assert events(type="record:explain") == []


def test_an_explanation_of_an_outdated_verification_is_refused(owner):
    some_sealed_events()
    damage(1)
    verified(owner)
    earlier = Verification.objects.get().pk
    damage(2)
    verified(owner)
    refused = explained(owner, verification=str(earlier))
    assert refused.status_code == 409
    assert "The audit log was verified again in the meantime." in text(refused)
    assert words(the(refused, id="id_explanation")) == WHY
    assert events(type="record:explain") == []


def test_damage_is_explained_only_once(owner):
    some_sealed_events()
    damage(1)
    verified(owner)
    body = {"verification": str(Verification.objects.get().pk), "explanation": WHY}
    assert [owner.post(EXPLAIN, body).status_code for _ in range(2)] == [302, 409]
