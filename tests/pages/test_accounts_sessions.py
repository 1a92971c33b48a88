"""Test sessions: 30 minutes idle, 8 hours at most, and the redirect of the whole page under htmx."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import Session
from tests.pages.helpers import HTMX, events

HALF_AN_HOUR = timedelta(minutes=30)
HOURS = 60 * 60


@pytest.fixture
def browser(browser_of):
    opened = browser_of("admin")
    assert opened.get("/keys/").status_code == 200
    return opened


def remember(browser, **values) -> None:
    session = browser.session
    session.update(values)
    session.save()


def expiry() -> timedelta:
    return Session.objects.get().expire_date - timezone.now()


def test_a_session_in_use_lives_half_an_hour_from_then(browser):
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=5))
    session = browser.session
    session["seen_at"] = int(time.time()) - 25 * 60
    session.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=5))
    assert browser.get("/keys/").status_code == 200
    assert HALF_AN_HOUR - timedelta(minutes=1) < expiry() <= HALF_AN_HOUR


def test_a_page_a_moment_later_does_not_write_the_session(browser, django_assert_num_queries):
    before = Session.objects.get().expire_date
    assert browser.get("/keys/").status_code == 200
    assert Session.objects.get().expire_date == before


def test_half_an_hour_without_use_ends_it(browser):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert browser.get("/keys/")["Location"] == "/accounts/login/?next=/keys/"


@pytest.mark.parametrize(("age", "lives"), [(7.9 * HOURS, True), (8.01 * HOURS, False)])
def test_eight_hours_end_it_however_busy(browser, age, lives):
    remember(browser, started_at=int(time.time() - age))
    assert (browser.get("/keys/").status_code == 200) is lives
    assert (browser.get("/roles/").status_code == 200) is lives


def test_signing_in_again_starts_the_eight_hours_anew(browser):
    from tests.cast import PASSWORD, email_of

    remember(browser, started_at=int(time.time() - 9 * HOURS))
    assert browser.get("/keys/").status_code == 302
    browser.post("/accounts/login/", {"login": email_of("admin"), "password": PASSWORD})
    assert browser.get("/keys/").status_code == 200


def test_an_ended_session_under_htmx_signs_in_on_the_whole_page_and_comes_back(browser):
    Session.objects.all().delete()
    current = {"HX-Current-URL": "http://testserver/keys/?status=active"}
    response = browser.get("/keys/?status=expired", headers=HTMX | current)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fkeys%2F%3Fstatus%3Dexpired"
    response = browser.get("/keys/bulk/count/", headers=HTMX | current)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fkeys%2F%3Fstatus%3Dactive"


def test_the_cookie_is_out_of_reach_of_scripts_and_gone_with_the_browser(browser):
    cookie = browser.cookies["portal"]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == ""


def test_a_password_change_keeps_this_session_and_ends_the_others(browser, browser_of):
    from tests.cast import PASSWORD

    other = browser_of("admin")
    new = "nine green bottles hang"
    changed = browser.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert changed.status_code == 302
    assert browser.get("/keys/").status_code == 200
    assert other.get("/keys/").status_code == 302
    assert events(outcome="failed") == []
