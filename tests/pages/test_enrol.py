"""Test PORTAL_MFA_REQUIRED: the grace period, the page that guides people, and what is closed afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import User
from tests.cast import signed_in
from tests.pages.helpers import events, text
from tests.support.authenticators import ORIGIN, add_app, codes_in

ENROL = "/account/second-factor/"


@pytest.fixture(autouse=True)
def _required(cast, settings):
    settings.PORTAL_URL = ORIGIN
    settings.PORTAL_MFA_REQUIRED, settings.PORTAL_MFA_GRACE_DAYS = "admins", 7


def after_the_grace_period(person: User):
    browser = signed_in(person)
    browser.get("/")
    User.objects.filter(pk=person.pk).update(factor_asked_at=timezone.now() - timedelta(days=8))
    return browser


def test_each_page_says_until_when_and_everything_works(cast):
    browser = signed_in(cast.admin)
    for url in ("/", "/keys/", "/keys/export/"):
        assert browser.get(url).status_code == 200
    assert "Add a second factor until" in text(browser.get("/keys/"))
    assert "You have until" in text(browser.get(ENROL))
    [asked] = events(type="factor:ask")
    assert asked.actor_email == cast.admin.email


@pytest.mark.parametrize(
    ("required", "asked"), [("nobody", []), ("admins", ["owner"]), ("everybody", ["owner", "user"])]
)
def test_only_those_who_must_have_one_are_asked(cast, settings, required, asked):
    settings.PORTAL_MFA_REQUIRED = required
    for name in ("owner", "user"):
        page = signed_in(cast[name]).get("/account/")
        assert ("Add a second factor until" in text(page)) == (name in asked)


def test_afterwards_nothing_works_until_there_is_one(cast):
    browser = after_the_grace_period(cast.admin)
    for url in ("/", "/keys/", "/keys/export/", "/activity/export/", "/account/", "/help/", "/roles/"):
        for method in ("get", "head", "post"):
            assert getattr(browser, method)(url)["Location"] == ENROL, (method, url)
    assert browser.get("/keys/", headers={"hx-request": "true"})["HX-Redirect"] == ENROL
    as_json = browser.post("/keys/new/generate/", headers={"accept": "application/json"})
    assert (as_json.status_code, as_json.json()["enrol"]) == (403, ENROL)
    assert "Your time to add one is over" in text(browser.get(ENROL))
    _, added = add_app(browser)
    assert len(codes_in(added)) == 10
    assert browser.get("/keys/").status_code == 200
    assert browser.get(ENROL)["Location"] == "/account/"


def test_afterwards_people_can_still_sign_out(cast):
    browser = after_the_grace_period(cast.admin)
    assert browser.post("/accounts/logout/")["Location"] == "/"
    assert browser.get("/account/")["Location"].startswith("/accounts/login/")


def test_a_person_without_a_recent_password_confirms_it_first(cast):
    after_the_grace_period(cast.admin)
    late = signed_in(cast.admin, seconds_ago=600)
    assert late.get("/account/passkeys/add/")["Location"].startswith("/accounts/reauthenticate/")
    assert "Enter your password" in text(late.get("/accounts/reauthenticate/"))


def test_without_grace_it_is_needed_at_once(cast, settings):
    settings.PORTAL_MFA_GRACE_DAYS = 0
    assert signed_in(cast.admin).get("/keys/")["Location"] == ENROL


def test_a_clock_that_was_ahead_gives_nobody_more_time(cast):
    browser = signed_in(cast.admin)
    browser.get("/")
    ahead = timezone.now() + timedelta(days=365)
    User.objects.filter(pk=cast.admin.pk).update(factor_asked_at=ahead)
    browser.get("/")
    assert User.objects.get(pk=cast.admin.pk).factor_asked_at < ahead - timedelta(days=300)
    assert len(events(type="factor:ask")) == 2


def test_a_confirmation_with_sso_does_not_replace_a_second_factor(cast):
    """Only a session that began with SSO is exempt."""
    browser = after_the_grace_period(cast.admin)
    stored = browser.session
    records = stored["account_authentication_methods"]
    stored["account_authentication_methods"] = [
        *records,
        {"method": "sso", "at": 0.0, "reauthenticated": True},
    ]
    stored.save()
    assert browser.get("/keys/")["Location"] == ENROL
    stored["account_authentication_methods"] = [{"method": "sso", "at": 0.0}]
    stored.save()
    assert browser.get("/keys/").status_code == 200


def test_the_dashboard_says_that_an_owner_has_none(cast, settings):
    settings.PORTAL_MFA_REQUIRED = "nobody"
    owner, admin = signed_in(cast.owner), signed_in(cast.admin)
    assert "You are an Owner, and have no second factor." in text(owner.get("/"))
    assert "Owner Person is an Owner, and has no second factor." in text(admin.get("/"))
    assert "Add a second factor" in text(owner.get(ENROL))
    add_app(owner)
    assert "second factor" not in text(owner.get("/"))


def test_no_owner_needs_one_beside_a_sign_in_provider(cast, settings):
    settings.PORTAL_MFA_REQUIRED, settings.PORTAL_OIDC_ISSUER = "nobody", "https://login.example.com"
    assert "second factor" not in text(signed_in(cast.owner).get("/"))


def test_roles_show_who_has_which(cast, settings):
    settings.PORTAL_MFA_REQUIRED = "nobody"
    add_app(signed_in(cast.owner))
    assert "Owner Person Owner Authenticator app" in text(signed_in(cast.admin).get("/roles/"))
    assert "Second factors" not in text(signed_in(cast.user).get("/roles/"))


def test_roles_show_who_has_one_in_cerby(cast, settings):
    settings.PORTAL_MFA_REQUIRED = "nobody"
    admin = signed_in(cast.admin)
    assert "In Cerby" not in text(admin.get("/roles/"))
    admin.post("/roles/refresh/")
    assert "Owner Person Owner None In Cerby: no" in text(admin.get("/roles/"))
