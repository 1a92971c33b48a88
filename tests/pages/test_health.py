"""Test the page Health and the probes: live if the process answers, ready if the database answers."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.actions.safeguards.pause import begin_pause
from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.audit import log
from keys.audit.signer import sign
from keys.jobs.schedule import JOBS, make_rows
from keys.jobs.sealing import seal_all
from keys.models import ApiKey, AuditEvent, HeldBack, PeriodicJob, TreeHead
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.tlog.merkle import EMPTY
from tests.cast import a_key, a_live_key, actor, an_event
from tests.pages.helpers import elements, links, messages_of, queries, rows, text, the, words

HEALTH = "/settings/health/"


NO_ANCHOR = (
    "Anchors None: a person who controls the database and the signing key could rewrite the audit log. "
    "How to set up an anchor"
)


def finished(ago: timedelta = timedelta(seconds=5), **columns) -> None:
    """Record that every job ran ``ago`` for two seconds."""
    make_rows()
    end = timezone.now() - ago
    facts = {
        "started_at": end - timedelta(seconds=2),
        "finished_at": end,
        "succeeded": True,
        "summary": "Fine",
    }
    PeriodicJob.objects.update(**facts | columns)


def test_the_page_shows_the_outcome_of_each_job(browser_of):
    finished()
    PeriodicJob.objects.filter(name="sweep").update(succeeded=False, summary="Cerby cannot be reached.")
    shown = {row["Job"].split()[-1]: row for row in rows(browser_of("admin").get("/settings/health/"))}
    assert shown.keys() == JOBS.keys()
    assert (shown["reconcile"]["Outcome"], shown["reconcile"]["Result"]) == ("Done", "Fine")
    assert (shown["sweep"]["Outcome"], shown["sweep"]["Result"]) == (
        "Failed",
        "Cerby cannot be reached.",
    )
    assert {row["Duration"] for row in shown.values()} == {"2.0 s"}
    assert not [row for row in shown.values() if "late" in row["Last run"]]


def test_a_job_that_never_ran_or_not_lately_is_late(browser_of):
    admin = browser_of("admin")
    assert {row["Last run"] for row in rows(admin.get("/settings/health/"))} == {"Never late"}
    assert set(Client().get("/readyz").json()["late_jobs"]) == JOBS.keys()
    finished(timedelta(minutes=5))
    late = [
        row["Job"].split()[-1] for row in rows(admin.get("/settings/health/")) if "late" in row["Last run"]
    ]
    assert late == [
        "reconcile",
        "bulk",
        "anchor",
        "siem",
        "deliveries",
        "leavers",
        "reviews",
        "figures",
        "alerts",
        "refusals",
    ]
    assert Client().get("/readyz").json()["late_jobs"] == late


def test_the_page_counts_waiting_keys(browser_of, cast):
    admin = browser_of("admin")
    assert "No key is waiting to be resolved or deleted." in text(admin.get("/settings/health/"))
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(2):
        a_key(cast.admin, state=State.REVOKING, due_at=past)
    a_key(cast.admin, state=State.READY, due_at=timezone.now() + timedelta(minutes=1))
    assert "2 keys are waiting to be resolved or deleted." in text(admin.get("/settings/health/"))
    assert queries(admin, "/settings/health/") == 40


@pytest.fixture
def quarantined(cast, sandbox) -> ApiKey:
    """Create a key that the quarantine holds back: the time for its one view is over."""
    key, _ = a_live_key(sandbox, cast.admin, name="Nightly", state=State.READY, stored_at=None)
    start_quarantine(Cause.OPERATOR, "A backup was restored.")
    HeldBack.objects.create(key=key, reason="Nobody viewed the key.", since=timezone.now())
    return key


def test_the_quarantine_lists_the_keys_that_it_holds_back(browser_of, quarantined):
    page = browser_of("owner").get(HEALTH)
    section = the(page, "section", aria_labelledby="quarantine")
    assert "the portal deletes no key on its own" in words(section)
    assert "A backup was restored." in words(section)
    assert "Nightly Admin Person (admin@contenzilla.example) Nobody viewed the key." in words(section)
    assert links(page)["Nightly"] == f"/keys/{quarantined.pk}/"
    assert {"Keep Nightly", "End the quarantine"} <= {words(found) for found in elements(page, "button")}


def test_an_admin_is_told_who_ends_it(browser_of, quarantined):
    page = browser_of("admin").get(HEALTH)
    assert "An Owner or a Super Admin can keep keys and end the quarantine" in text(page)
    assert not {"Keep Nightly", "End the quarantine"} & {words(found) for found in elements(page, "button")}


def test_keeping_and_ending_by_their_buttons(browser_of, quarantined):
    owner = browser_of("owner")
    page = owner.post(f"/keys/{quarantined.pk}/keep/", follow=True)
    assert "“Nightly” is kept" in messages_of(page)
    assert "No key is held back" in text(page)
    page = owner.post(f"{HEALTH}release/", follow=True)
    assert "The quarantine is over. Keys that the next comparison with Cerby may delete: 0." in messages_of(
        page
    )
    assert "Quarantine" not in [words(found) for found in elements(page, "h2")]
    assert owner.post(f"{HEALTH}release/").status_code == 409


@pytest.mark.parametrize("path", ["/settings/health/release/", "/keys/{}/keep/"])
def test_both_want_a_fresh_sign_in(browser_of, quarantined, path):
    response = browser_of("owner", seconds_ago=3600).post(path.format(quarantined.pk))
    assert response["Location"] == f"/accounts/reauthenticate/?next={HEALTH.replace('/', '%2F')}"
    assert HeldBack.objects.filter(pk=quarantined.pk, approved_at=None).exists()


def test_alerts_are_shown_with_advice_here_and_on_the_dashboard(browser_of, cast):
    key = a_key(cast.admin, name="Nightly", state=State.REVOKING, attempts=6, due_at=timezone.now())
    for url in (HEALTH, "/"):
        page = browser_of("admin").get(url)
        section = the(page, "section", aria_labelledby="alerts")
        assert "Cerby has not confirmed that “Nightly” is removed" in words(section)
        assert "Delete the key in Cerby's web app." in words(section)
        assert links(page)["A removed API key may still work"] == f"/keys/{key.pk}/"
    ApiKey.objects.update(attempts=5)
    assert not elements(browser_of("admin").get(HEALTH), "section", aria_labelledby="alerts")


def test_a_pause_that_cerby_asked_for_is_shown(browser_of):
    begin_pause(0)
    assert "Cerby asked the portal to wait No API key can be generated until" in text(
        browser_of("admin").get(HEALTH)
    )


def test_they_are_for_admins_only(browser_of):
    assert browser_of("user").get("/settings/health/").status_code == 403


def told_of_the_log(browser) -> tuple[str, str]:
    """Return the page's text about the audit log, and the probe's status of it."""
    section = the(browser.get(HEALTH), "section", aria_labelledby="audit")
    return words(section), Client().get("/readyz").json()["audit"]


def test_it_shows_how_far_the_log_is_sealed_and_signed(browser_of, own_audit_files):
    admin = browser_of("admin")
    assert told_of_the_log(admin) == (
        f"Audit log Last verified Never Sealed 0 events Waiting None Last signed Never {NO_ANCHOR}",
        "ok",
    )
    AuditEvent.objects.bulk_create(an_event() for _ in range(3))
    assert "Waiting 3 events , since" in told_of_the_log(admin)[0]
    seal_all(uuid.UUID(int=1))
    sign()
    an_event().save()
    said, status = told_of_the_log(admin)
    assert "Sealed 3 events , up to" in said
    assert "Waiting 1 event , since" in said
    assert "Last signed 3 events ," in said
    assert status == "ok"


LONG_AGO = timezone.now() - timedelta(hours=1)


def waiting(_: object) -> None:
    an_event(at=LONG_AGO).save()


def unsigned(_: object) -> None:
    an_event(at=LONG_AGO).save()
    seal_all(uuid.UUID(int=1))


def without_a_key(settings) -> None:
    settings.PORTAL_AUDIT_SIGNING_KEY = b""


def refused(_: object) -> None:
    TreeHead.objects.create(root=EMPTY, refusal="The tree is damaged.")


def forged(_: object) -> None:
    TreeHead.objects.create(root=EMPTY, refusal="The tree is damaged.", forged=1234, forged_times=1)


@pytest.mark.parametrize(
    ("trouble", "status", "sentence"),
    [
        (waiting, "late", "Check that a worker is running."),
        (unsigned, "unsigned", "waiting to be signed"),
        (without_a_key, "unsigned", "PORTAL_AUDIT_SIGNING_KEY is not set"),
        (refused, "refused", "refuses to sign. The tree is damaged."),
        (forged, "forged", "Event 1,234 was changed before it was sealed"),
    ],
)
@pytest.mark.usefixtures("own_audit_files")
def test_it_shows_problems_of_the_log(browser_of, settings, trouble, status, sentence):
    trouble(settings)
    said, probed = told_of_the_log(browser_of("admin"))
    assert "The audit log needs attention" in said
    assert sentence in said
    assert probed == status


@pytest.mark.usefixtures("own_audit_files")
def test_a_forged_event_that_is_explained_is_no_trouble_until_there_is_another(browser_of, cast):
    forged(None)
    TreeHead.objects.update(refusal="")
    explained: dict[str, Any] = {"damage": ["MAC at event 1234"], "explanation": "ratchet.json was lost."}
    log.append(Event.DAMAGE_EXPLAINED, actor=actor(cast.owner), **explained)
    assert told_of_the_log(browser_of("admin"))[1] == "forged"
    seal_all(uuid.UUID(int=1))
    assert told_of_the_log(browser_of("admin"))[1] == "ok"
    TreeHead.objects.update(forged_times=2)
    assert told_of_the_log(browser_of("admin"))[1] == "forged"


@pytest.mark.parametrize("url", ["/livez", "/readyz"])
def test_they_answer_without_a_sign_in_and_are_never_kept(db, url):
    finished()
    response = Client().get(url)
    said = {"status": "ok"} if url == "/livez" else {"status": "ok", "late_jobs": [], "audit": "ok"}
    assert (response.status_code, response.json()) == (200, said)
    assert "no-store" in response["Cache-Control"]
    assert "Set-Cookie" not in response
    assert not response.cookies


def test_the_live_probe_does_not_use_the_database(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/livez").status_code == 200


def test_without_its_tables_it_is_alive_but_not_ready(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_apikey RENAME TO keys_apikey_gone")
    assert Client().get("/livez").status_code == 200
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert "database" in response.json()["status"]


def test_cerby_being_down_does_not_stop_reading(db, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize("url", ["/livez", "/readyz"])
def test_probes_ask_in_plain_http_behind_tls(db, settings, url):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(url).status_code == 200
    assert Client().get("/keys/").status_code == 301


def test_an_event_that_comes_while_the_page_is_made_breaks_nothing(browser_of, cast):
    came: list[str] = []

    def come(execute, sql, *rest):
        result = execute(sql, *rest)
        if "keys_unsealed" in sql and not came:
            came.append(sql)
            log.append(Event.SIGNED_OUT, actor=actor(cast.admin))
        return result

    admin = browser_of("admin")
    with connection.execute_wrapper(come):
        assert admin.get("/settings/health/").status_code == 200
    assert came
