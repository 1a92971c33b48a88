"""Test how the dashboard, Health and /readyz tell of background jobs: late, not yet done, or on time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test.html import Element
from django.utils import timezone

from keys.jobs.schedule import JOBS, enqueue_due, make_rows
from keys.jobs.tasks import figures
from keys.models import Node, PeriodicJob
from keys.selectors.health.worker import JOB_WORDS
from tests.cast import a_key, an_event
from tests.pages.helpers import elements, text, within, words
from tests.pages.test_dashboard import NOW, all_well, verdict

__all__ = ["all_well"]


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_without_a_worker_something_is_broken(admin, cast, all_well):
    a_key(cast.owner, expires_at=NOW + timedelta(days=2), last_used_at=NOW)
    PeriodicJob.objects.filter(name="reconcile").update(finished_at=NOW - timedelta(hours=1))
    response = admin.get("/")
    assert verdict(response) == "Something is broken"
    assert "Fix this first: Background jobs. There is also 1 thing to do." in text(response)
    assert "The worker is not running. Start it with “manage.py worker”." in text(response)
    assert [words(within(alert, "b")[0]) for alert in alerts(response)] == ["The worker is not running"]


def alerts(response) -> list[Element]:
    [shown] = elements(response, "section", aria_labelledby="alerts")
    return within(shown, "li")


def test_late_jobs_of_a_running_worker_are_one_alert_in_words(admin, cast, all_well, settings):
    Node.objects.create(name="one", back_since=NOW - timedelta(hours=1))
    late = PeriodicJob.objects.filter(name__in=["reconcile", "figures", "siem", "anchor"])
    late.update(finished_at=NOW - timedelta(hours=1))
    [alert] = alerts(admin.get("/"))
    assert "Background jobs are late" in words(alert)
    assert "Reconciles requests, views and deletions; Counts the figures" in words(alert)
    assert "SIEM" not in words(alert), "there is none"
    settings.PORTAL_SIEM_URL = "https://siem.example.com/ingest"
    assert "Sends events to the SIEM" in words(*alerts(admin.get("/")))


def late_anywhere(admin) -> tuple[bool, bool, set[str], set[str]]:
    """Return whether the verdict and the alerts name late jobs, then the tags on Health, and /readyz's names."""
    board, health = admin.get("/"), admin.get("/settings/health/")
    tags = {words(tag) for row in elements(health, "tr") for tag in within(row, "span", class_="tag")}
    late = set(admin.get("/readyz").json()["late_jobs"])
    return "Background jobs" in verdict_words(board), bool(alerted(board)), tags, late


def verdict_words(response) -> str:
    [section] = elements(response, "section", aria_labelledby="verdict")
    return words(within(section, "p")[0])


def alerted(response) -> list[Element]:
    return elements(response, "section", aria_labelledby="alerts")


def test_a_worker_that_nobody_ever_started_is_an_alert_once_the_portal_is_in_use(admin, cast):
    assert alerted(admin.get("/")) == []
    an_event(at=timezone.now() - timedelta(minutes=16)).save()
    [alert] = alerts(admin.get("/"))
    assert "The worker is not running" in words(alert)


def test_jobs_of_a_worker_that_has_just_started_are_not_late_but_not_done_yet(admin, cast):
    assert late_anywhere(admin) == (True, False, {"late"}, set(JOBS)), "no worker has ever started"
    node = Node.objects.create(name="one")
    make_rows()
    enqueue_due()
    assert late_anywhere(admin) == (False, False, {"not yet"}, set())
    assert "The worker has just started. Not every job has run yet." in text(admin.get("/"))
    PeriodicJob.objects.update(waiting_since=NOW - timedelta(hours=2))
    make_rows()  # the worker ends and starts again and again
    enqueue_due()
    assert late_anywhere(admin) == (True, True, {"late"}, set(JOBS))
    PeriodicJob.objects.filter(name="sweep").update(waiting_since=NOW - timedelta(minutes=30))
    assert set(JOBS) - late_anywhere(admin)[3] == {"sweep"}
    PeriodicJob.objects.update(waiting_since=NOW)
    PeriodicJob.objects.filter(name="tidy").update(finished_at=NOW - timedelta(days=1))
    Node.objects.filter(pk=node.pk).update(last_seen=NOW - timedelta(hours=1))
    assert late_anywhere(admin) == (True, True, {"late"}, set(JOBS)), "the worker has stopped"


def test_jobs_are_not_late_after_a_long_stop(admin, cast, all_well):
    long_ago = NOW - timedelta(days=9)
    PeriodicJob.objects.update(finished_at=long_ago, waiting_since=long_ago, due_at=long_ago)
    Node.objects.create(name="one")
    make_rows()
    enqueue_due()
    assert late_anywhere(admin) == (False, False, {"not yet"}, set())
    figures.func()
    assert PeriodicJob.objects.get(name="figures").waiting_since is None


def test_each_job_is_described():
    assert JOB_WORDS.keys() == JOBS.keys()
