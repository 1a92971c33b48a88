"""Test alerts: each beginning and end is mailed once, and a mail server that is down loses nothing."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from keys.actions.audit.explain_damage import explain_damage
from keys.actions.keys.claim import claim_key
from keys.actions.notifications.deliver import deliver_due
from keys.actions.notifications.notify import queue_mail
from keys.actions.safeguards.quarantine import Cause, end_quarantine, start_quarantine
from keys.audit.results import seal_of_alert
from keys.audit.signer import sign
from keys.jobs import alerts as alerts_module
from keys.jobs.alerts import MAILS_AN_HOUR
from keys.jobs.schedule import make_rows
from keys.jobs.sealing import seal_all
from keys.jobs.tasks import anchor as anchor_job
from keys.jobs.tasks import siem as siem_job
from keys.jobs.tasks import verify as verify_job
from keys.models import (
    Alert,
    ApiKey,
    AuditEvent,
    Delivery,
    Node,
    PeriodicJob,
    RevealGrant,
    Verification,
)
from keys.rules.errors import Gone
from keys.rules.lifecycle import State
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from keys.verifier.verify_bundle import Kind
from tests.cast import a_key, actor, an_event, email_of, record_people
from tests.support.sealed_log import changeable_events

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def a_stuck_removal(owner, **columns) -> ApiKey:
    due = {"state": State.REVOKING, "attempts": 6, "due_at": timezone.now() + HOUR}
    return a_key(owner, **due | columns)


def an_hour_ago() -> None:
    """Make all recorded alerts and mails an hour older."""
    for row in Alert.objects.all():
        for name in ("since", "until", "mailed_at", "over_mailed_at"):
            moment = getattr(row, name)
            setattr(row, name, moment and moment - HOUR)
        row.seal = seal_of_alert(row)
        row.save()


def keep_alerts() -> str:
    """Run the job, and send what it wrote to the outbox."""
    result = alerts_module.keep_alerts()
    deliver_due()
    return result


def kinds() -> list[str]:
    return [found.kind for found in active_alerts(timezone.now(), audit_health())]


def test_without_problems_nothing_is_mailed(cast):
    make_rows()
    a_key(cast.admin)
    a_stuck_removal(cast.admin, attempts=5)
    assert keep_alerts() == "Alerts: 0; nothing new to tell"
    assert mail.outbox == []


def test_a_stuck_removal_is_mailed_at_its_beginning_and_end(cast):
    key = a_stuck_removal(cast.admin, name="Nightly")
    assert keep_alerts() == "Alerts: 1; told to 2 people"
    [letter] = mail.outbox
    assert letter.to == [email_of("owner"), email_of("super_admin")]
    assert letter.subject == "[contenzilla] A removed API key may still work"
    assert "“Nightly”" in letter.body
    assert "What to do: Delete the key in Cerby's web app." in letter.body
    assert f"http://testserver/keys/{key.pk}/" in letter.body
    for _ in range(3):
        an_hour_ago()
        keep_alerts()
    assert len(mail.outbox) == 1
    ApiKey.objects.filter(pk=key.pk).update(state=State.REVOKED, removed_at=timezone.now(), due_at=None)
    keep_alerts()
    an_hour_ago()
    keep_alerts()
    assert len(mail.outbox) == 2
    assert mail.outbox[1].subject == "[contenzilla] Resolved: A removed API key may still work"
    assert Alert.objects.get().until is not None


SILENCING = {
    "an inserted row": (
        "INSERT INTO keys_alert (kind, subject, words, since, mailed_at, seal) "
        "VALUES ('quarantine', '', 'W', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00', '')"
    ),
    "a row from another time": (
        "INSERT INTO keys_alert (kind, subject, words, since, mailed_at, seal) "
        "SELECT 'quarantine', '', words, since, mailed_at, seal FROM keys_alert"
    ),
    "mails of the last hour": (
        "INSERT INTO keys_alert (kind, subject, words, since, until, mailed_at, over_mailed_at, seal) SELECT 'job-late', "
        "'', words, since, mailed_at, mailed_at, {later}, seal FROM keys_alert"
    ),
}


@pytest.mark.parametrize("sql", SILENCING.values(), ids=list(SILENCING))
def test_a_row_that_somebody_inserts_silences_no_alert(cast, sql):
    a_stuck_removal(cast.admin)
    keep_alerts()
    times = ("datetime(mailed_at, '-{} minutes')", "mailed_at - interval '{} minutes'")
    later = times[connection.vendor == "postgresql"]
    with connection.cursor() as cursor:
        for number in range(MAILS_AN_HOUR if "{later}" in sql else 1):
            cursor.execute(sql.replace("{later}", later.format(number)))
    start_quarantine(Cause.OPERATOR, "A backup was restored.")
    assert "told to" in keep_alerts()
    assert mail.outbox[-1].subject == "[contenzilla] The quarantine is on"
    assert keep_alerts().endswith("nothing new to tell")


def test_a_recurring_problem_is_mailed_again(cast):
    for number in (1, 2):
        start_quarantine(Cause.OPERATOR, "A backup was restored.")
        keep_alerts()
        end_quarantine(None)
        keep_alerts()
        assert len(mail.outbox) == 2 * number
    assert [row.kind for row in Alert.objects.all()] == [AlertKind.QUARANTINE] * 2


def test_addresses_from_the_settings_replace_people(cast, settings):
    settings.PORTAL_ALERT_EMAILS = ("ops@example.com", "oncall@example.com")
    start_quarantine(Cause.TOO_MANY, "Four keys.")
    keep_alerts()
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (
        ["ops@example.com", "oncall@example.com"],
        "[contenzilla] The comparison with Cerby stopped",
    )


def test_without_recipients_an_alert_waits(cast):
    type(cast.owner).objects.update(is_active=False)
    start_quarantine(Cause.OPERATOR, "Why.")
    assert "nobody to tell" in keep_alerts()
    type(cast.owner).objects.filter(pk=cast.owner.pk).update(is_active=True)
    assert "told to 1 people" in keep_alerts()


def test_one_mail_contains_all_alerts_and_mails_per_hour_are_limited(cast):
    for number in range(25):
        a_stuck_removal(cast.admin, name=f"Key {number:02}")
    keep_alerts()
    [letter] = mail.outbox
    assert letter.subject.endswith(", and 19 more")
    for _ in range(MAILS_AN_HOUR):
        start_quarantine(Cause.OPERATOR, "Why.")
        keep_alerts()
        end_quarantine(None)
        keep_alerts()
    assert len(mail.outbox) == MAILS_AN_HOUR
    an_hour_ago()
    assert "told to" in keep_alerts()
    assert len(mail.outbox) == MAILS_AN_HOUR + 1


def test_a_second_view_from_another_session_is_an_alert_for_a_day(cast):
    key = a_key(cast.admin, name="Nightly", state=State.READY, stored_at=None)
    later = timezone.now() + HOUR
    RevealGrant.objects.create(key=key, user=cast.admin, sealed=b"s", thumbprint="t", expires_at=later)
    me = actor(cast.admin)
    claim_key(me, key.pk, session="mine")
    with pytest.raises(Gone):
        claim_key(me, key.pk, session="mine")
    assert kinds() == []
    with pytest.raises(Gone):
        claim_key(me, key.pk, session="another")
    assert kinds() == [AlertKind.SECOND_VIEW]
    [found] = active_alerts(timezone.now(), audit_health())
    assert (found.subject, found.path) == (str(key.pk), f"/keys/{key.pk}/")
    assert active_alerts(timezone.now() + 25 * HOUR, audit_health()) == []


def test_an_outage_of_cerby_is_mailed_after_half_an_hour(cast):
    make_rows()
    PeriodicJob.objects.filter(name="sweep").update(succeeded=False, summary="No connection could be made.")
    keep_alerts()
    assert (kinds(), mail.outbox) == ([AlertKind.CERBY_AWAY], [])
    Alert.objects.update(since=timezone.now() - 31 * MINUTE)
    keep_alerts()
    assert "No connection could be made." in mail.outbox[0].body
    PeriodicJob.objects.filter(name="sweep").update(succeeded=True)
    keep_alerts()
    assert mail.outbox[1].subject.startswith("[contenzilla] Resolved: ")


def test_a_problem_that_ended_before_it_was_mailed_is_not_mailed(cast):
    make_rows()
    PeriodicJob.objects.filter(name="sweep").update(succeeded=False)
    keep_alerts()
    PeriodicJob.objects.filter(name="sweep").update(succeeded=True)
    keep_alerts()
    an_hour_ago()
    keep_alerts()
    assert mail.outbox == []


def test_a_job_that_does_not_run_is_mailed(cast):
    make_rows()
    now = timezone.now()
    PeriodicJob.objects.filter(name="reconcile").update(finished_at=now - 2 * MINUTE)
    PeriodicJob.objects.filter(name="sweep").update(finished_at=now - 40 * MINUTE)
    assert kinds() == [AlertKind.WORKER_AWAY]
    Node.objects.create(name="one", back_since=now - HOUR)
    assert kinds() == [AlertKind.JOB_LATE]
    keep_alerts()
    assert mail.outbox == [], "a worker that has just started runs them all"
    Alert.objects.update(since=now - 6 * MINUTE)
    keep_alerts()
    assert len(mail.outbox) == 1


def test_reading_roles_that_stopped_is_an_alert_until_it_succeeds(cast):
    make_rows()
    an_event(type="roles:stop", outcome="failed", reason="5 of 95 people").save()
    assert kinds() == [AlertKind.PEOPLE_STOPPED]
    PeriodicJob.objects.filter(name="people").update(succeeded_at=timezone.now())
    assert kinds() == []


def test_old_alerts_are_deleted(cast):
    long_ago = timezone.now() - timedelta(days=91)
    Alert.objects.create(kind=AlertKind.JOB_LATE, subject="tidy", words="W", since=long_ago, until=long_ago)
    keep_alerts()
    assert not Alert.objects.exists()


def test_a_name_with_a_line_break_does_not_reach_a_header(cast):
    a_stuck_removal(cast.admin, name="Nightly\nBcc: evil@example.com")
    keep_alerts()
    assert "evil" not in mail.outbox[0].subject


@pytest.fixture
def sealed(cast, settings, tmp_path):
    """Create an audit log of three signed events."""
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    for _ in range(3):
        an_event().save()
    seal_all(uuid.UUID(int=1))
    sign()
    record_people()


def verified() -> str:
    make_rows()
    verify_job.func()
    return PeriodicJob.objects.get(name="verify").summary


def test_each_kind_of_damage_is_mailed_once_and_ends_when_it_is_explained(sealed, cast):
    assert verified() == "3 events: nothing is wrong"
    assert kinds() == []
    with changeable_events():
        AuditEvent.objects.filter(sealed__index=1).update(actor_role="Owner")
    assert verified() == f"3 events: Event 1: {Kind.COLUMNS.value}"
    keep_alerts()
    [letter] = mail.outbox
    assert letter.subject == "[contenzilla] The audit log is damaged"
    assert f"The last verification found damage. Event 1: {Kind.COLUMNS.value}" in letter.body
    assert "http://testserver/activity/verify/" in letter.body

    with changeable_events():
        AuditEvent.objects.filter(sealed__index=2).update(actor_name="Nobody")
    assert verified() == f"3 events: Event 1: {Kind.COLUMNS.value} Event 2: {Kind.PERSONAL.value}"
    keep_alerts()
    assert f"found damage. Event 2: {Kind.PERSONAL.value}" in mail.outbox[1].body
    assert "COLUMNS" not in mail.outbox[1].body

    explain_damage(actor(cast.owner), Verification.objects.latest("id").pk, "It was a drill.")
    seal_all(uuid.UUID(int=1))
    assert kinds() == []
    keep_alerts()
    assert mail.outbox[2].subject == "[contenzilla] Resolved: The audit log is damaged, and 1 more"


def test_a_failed_verification_is_mailed(sealed, settings, tmp_path):
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"
    settings.PORTAL_AUDIT_ANCHOR_FILE.write_text("no JSON\n")
    assert "could not be read to its end" in verified()
    assert kinds() == [AlertKind.RECORD_UNREAD]
    settings.PORTAL_AUDIT_ANCHOR_FILE.write_text("")
    verified()
    assert kinds() == []


def test_a_failed_verification_does_not_end_an_earlier_alarm(sealed, settings, tmp_path):
    with changeable_events():
        AuditEvent.objects.filter(sealed__index=1).update(actor_role="Owner")
    verified()
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"
    settings.PORTAL_AUDIT_ANCHOR_FILE.write_text("no JSON\n")
    verified()
    assert kinds() == [AlertKind.RECORD_DAMAGED, AlertKind.RECORD_UNREAD]


def test_a_failing_anchor_and_siem_are_mailed_after_half_an_hour(sealed, settings, tmp_path):
    settings.PORTAL_AUDIT_ANCHOR_FILE = settings.PORTAL_SIEM_FILE = tmp_path  # a folder cannot be appended to
    anchor_job.func()
    siem_job.func()
    assert kinds() == [AlertKind.ANCHOR_FAILS, AlertKind.SIEM_FAILS]
    keep_alerts()
    assert mail.outbox == []
    Alert.objects.update(since=timezone.now() - 31 * MINUTE)
    keep_alerts()
    [letter] = mail.outbox
    assert "The anchor “file” does not accept checkpoints." in letter.body
    assert "The SIEM “file” is 3 events behind." in letter.body
    settings.PORTAL_AUDIT_ANCHOR_FILE = settings.PORTAL_SIEM_FILE = None
    assert kinds() == [], "what is not set up any more is missed by nobody"


def test_a_mail_server_that_accepts_nothing_is_an_alert_until_a_mail_arrives(cast):
    since = timezone.now() - timedelta(minutes=11)
    queue_mail(["ada@example.com"], "A subject", "A text")
    Delivery.objects.update(failing_since=since, failure="Connection refused.", retry_at=timezone.now())
    [found] = active_alerts(timezone.now(), audit_health())
    assert found.kind == AlertKind.MAIL_FAILS
    assert found.words.endswith("Connection refused.")
    queue_mail(["bob@example.com"], "A subject", "A text")
    Delivery.objects.filter(to=["bob@example.com"]).update(
        state=Delivery.State.DELIVERED, delivered_at=timezone.now()
    )
    assert kinds() == []


def test_a_mail_that_failed_just_now_is_no_alert(cast):
    queue_mail(["ada@example.com"], "A subject", "A text")
    Delivery.objects.update(failing_since=timezone.now(), failure="Connection refused.")
    assert kinds() == []
