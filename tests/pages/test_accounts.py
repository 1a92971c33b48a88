"""Test sign-in and sign-out: email and password, roles from Cerby, and CSRF tokens."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import User
from keys.rules.permissions import Role
from tests.cast import CHROME, PASSWORD, email_of, signed_in
from tests.pages.helpers import elements, events, text, the, words
from tests.support.cases import in_one_test

LOGIN = "/accounts/login/"
CLOSED_PORT = "http://127.0.0.1:9"


@pytest.fixture
def browser(cast) -> Client:
    return Client(headers={"user-agent": CHROME})


def sign_in(browser, name: str = "admin", password: str = PASSWORD, **more):
    return browser.post(LOGIN, {"login": email_of(name), "password": password} | more)


def is_in(browser) -> bool:
    return browser.get("/roles/").status_code == 200


@pytest.mark.parametrize("name", ["owner", "super_admin", "admin", "user", "login_only", "guest"])
def test_everybody_who_was_added_signs_in_and_it_is_recorded(browser, name):
    assert sign_in(browser, name)["Location"] == "/"
    assert is_in(browser)
    [event] = events(type="session:start")
    assert (event.outcome, event.actor_email) == ("done", email_of(name))
    assert (event.ip, event.browser) == ("127.0.0.1", "Chrome on Linux")


def test_the_page_asks_for_email_and_password(browser):
    response = browser.get(LOGIN)
    assert words(the(response, "h1")) == "Sign in"
    labels = [words(label) for label in elements(response, "label")]
    assert labels == ["Email", "Password"]
    assert "Sign in" in [words(button) for button in elements(response, "button")]


def test_it_goes_back_to_the_page_that_was_asked_for(browser):
    url = browser.get("/keys/?status=expired")["Location"]
    assert (
        browser.post(url, {"login": email_of("admin"), "password": PASSWORD})["Location"]
        == "/keys/?status=expired"
    )


@in_one_test(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "javascript:alert(1)",
        "http://localhost/",
        "http://testserver/",
        "%2f%2fevil.example",
        "keys/",
    ],
)
def test_it_goes_to_no_other_site(browser, target):
    assert sign_in(browser, next=target)["Location"] == "/"


def test_letter_case_of_the_address_does_not_matter(browser):
    browser.post(LOGIN, {"login": "ADMIN@Contenzilla.Example", "password": PASSWORD})
    assert is_in(browser)


def test_a_wrong_password_is_refused_and_not_recorded_itself(browser):
    response = sign_in(browser, password="my secret guess")
    assert response.status_code == 200
    assert elements(response, role="alert")
    assert not is_in(browser)
    [event] = events(type="session:start")
    assert (event.outcome, event.actor_email, event.reason) == (
        "refused",
        email_of("admin"),
        "Wrong password.",
    )
    assert "guess" not in repr(vars(event))


def test_an_unknown_address_gets_the_same_answer_and_is_not_stored(browser):
    known, unknown = sign_in(browser, password="wrong"), sign_in(browser, "stranger", password="wrong")
    assert text(known).replace(email_of("admin"), "") == text(unknown).replace(email_of("stranger"), "")
    assert [event.actor_email for event in events()] == [email_of("admin")]


def test_the_role_is_read_from_cerby_at_sign_in(browser, cast, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    sign_in(browser)
    cast.admin.refresh_from_db()
    assert cast.admin.role == Role.USER
    assert browser.get("/keys/").status_code == 403
    assert events(type="person:change")[0].details["after"] == {"role": "User"}


@pytest.mark.parametrize("status", ["disabled", "pending"])
def test_a_person_who_is_not_active_in_cerby_cannot_sign_in(browser, workspace, status):
    workspace.sandbox.set_person(workspace.ids["admin"], status=status)
    assert sign_in(browser)["Location"] == "/accounts/inactive/"
    assert not is_in(browser)
    assert sign_in(browser).status_code in {200, 302}
    assert not is_in(browser)


def test_a_disabled_person_who_tries_ends_the_sessions_they_had(browser, browser_of, workspace):
    earlier = browser_of("admin")
    assert is_in(earlier)
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    sign_in(browser)
    assert not is_in(earlier)


def test_a_refused_sign_in_of_a_disabled_person_is_recorded(browser, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    sign_in(browser)
    refused = events(type="session:start", outcome="refused")
    assert [event.actor_email for event in refused] == [email_of("admin")]


def test_who_is_live_again_gets_in_again(browser, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    sign_in(browser)
    workspace.sandbox.set_person(workspace.ids["admin"], status="live")
    sign_in(browser)
    assert is_in(browser)


def test_cerby_cannot_be_reached_and_the_kept_role_counts(browser, cast, settings):
    settings.CERBY_BASE_URL = CLOSED_PORT
    checked = timezone.now() - timedelta(hours=20)
    User.objects.update(role_checked_at=checked)
    sign_in(browser)
    assert browser.get("/keys/").status_code == 200
    assert "has not confirmed this role" not in browser.get("/keys/").content.decode()


def test_after_a_day_the_kept_role_is_marked_as_stale(browser, settings):
    settings.CERBY_BASE_URL = CLOSED_PORT
    User.objects.update(role_checked_at=timezone.now() - timedelta(hours=25))
    sign_in(browser)
    assert "Cerby has not confirmed this role for more than a day" in browser.get("/keys/").content.decode()
    assert browser.get("/keys/new/").status_code == 403


def test_sign_up_is_closed(browser):
    new = {"email": "new@contenzilla.example", "password1": PASSWORD, "password2": PASSWORD}
    assert "Sign-up is closed" in text(browser.get("/accounts/signup/"))
    browser.post("/accounts/signup/", new)
    assert User.objects.count() == 6
    assert events() == []


def test_signing_out_asks_then_ends_the_session(browser):
    sign_in(browser)
    assert words(the(browser.get("/accounts/logout/"), "h1")) == "Sign out"
    assert is_in(browser), "a GET changes nothing"
    browser.post("/accounts/logout/")
    assert not is_in(browser)
    assert [event.type for event in events()] == ["session:start", "session:end"]


def test_confirming_the_password_returns_to_the_page(browser_of):
    browser = browser_of("admin", seconds_ago=3600)
    url = browser.get("/keys/new/")["Location"]
    assert "Enter your password to continue" in text(browser.get(url))
    assert browser.post(url, {"password": "wrong"}).status_code == 200
    assert browser.get("/keys/new/").status_code == 302
    assert browser.post(url, {"password": PASSWORD})["Location"] == "/keys/new/"
    assert browser.get("/keys/new/").status_code == 200


def test_confirming_goes_to_no_other_site(browser_of):
    response = browser_of("admin").post(
        "/accounts/reauthenticate/?next=https://evil.example/", {"password": PASSWORD}
    )
    assert response["Location"].startswith("/")
    assert not response["Location"].startswith("//")


def test_a_form_without_a_token_is_refused(cast):
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(LOGIN, {"login": email_of("admin"), "password": PASSWORD})
    assert response.status_code == 403


def test_a_script_with_an_old_token_is_given_the_current_one(cast):
    browser = signed_in(cast.admin)
    browser.handler.enforce_csrf_checks = True
    old = {"X-CSRFToken": "a" * 64, "Accept": "application/json"}
    refused = browser.post(f"/keys/{uuid.uuid4()}/store/claim/", headers=old)
    assert refused.status_code == 403
    assert "no-store" in refused["Cache-Control"]
    current = old | {"X-CSRFToken": refused.json()["csrfToken"]}
    assert browser.post(f"/keys/{uuid.uuid4()}/store/claim/", headers=current).status_code == 404


def test_a_person_with_an_old_form_is_given_a_page(cast):
    browser = signed_in(cast.admin)
    browser.handler.enforce_csrf_checks = True
    response = browser.post("/accounts/logout/", {"csrfmiddlewaretoken": "a" * 64})
    assert response.status_code == 403
    assert "This page was out of date" in text(response)
