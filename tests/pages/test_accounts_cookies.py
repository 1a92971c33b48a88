"""Test that visitors who are not signed in get no session, and that no other website can sign a person out."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from keys.models import Session, User
from tests.cast import PASSWORD, email_of
from tests.pages.helpers import text

SESSION, TOKEN = "portal", "portal-csrf"
WITH_FORMS = ("/accounts/login/", "/accounts/password/reset/")
SAMPLES = {
    "key_id": uuid.UUID(int=1),
    "handle": uuid.UUID(int=4),
    "uid": uuid.UUID(int=2),
    "selection_id": uuid.UUID(int=3),
    "user_id": 1,
    "view_id": 1,
    "rotation_id": uuid.UUID(int=5),
    "request_id": uuid.UUID(int=6),
    "exception_id": uuid.UUID(int=8),
    "campaign_id": uuid.UUID(int=7),
    "item_id": 1,
    "number": 1,
    "channel_id": 1,
    "delivery_id": 1,
    "token": "unknown",
    "passkey_id": 1,
    "uidb36": "1",
    "key": "set-password",
    "name": "audit",
}


def every_address() -> list[str]:
    """Return an address for each URL of the portal, and some that do not exist."""
    resolver = get_resolver()
    _, spaced = resolver.namespace_dict["keys"]
    made = [
        reverse(f"{prefix}{name}", kwargs={word: SAMPLES[word] for word in words})
        for prefix, urls in (("", resolver), ("keys:", spaced))
        for name in urls.reverse_dict
        if isinstance(name, str)
        for _, words in urls.reverse_dict.getlist(name)[0][0]
    ]
    return [*sorted(made), "/nowhere", "/static/nowhere.css", "/favicon.ico", "/keys/%00/", "/accounts/"]


@pytest.fixture
def stranger(cast) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.raise_request_exception = False
    return client


def test_anonymous_requests_of_all_kinds_create_no_session(stranger):
    methods = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
    sent = 0
    for url in every_address():
        for method in methods:
            for headers in ({}, {"HX-Request": "true"}):
                response = getattr(stranger, method)(url, headers=headers)
                sent += 1
                assert SESSION not in response.cookies, (method, url)
                stranger.cookies.clear()
    assert sent > 800
    assert Session.objects.count() == 0


def test_only_pages_with_a_form_set_the_token(stranger):
    for url in every_address():
        for method in ("get", "post"):
            response = getattr(stranger, method)(url)
            expected = {TOKEN} if method == "get" and url in WITH_FORMS else set()
            assert set(response.cookies) == expected, (method, url)
            stranger.cookies.clear()


def test_wrong_links_and_wrong_passwords_create_no_session(cast):
    browser = Client()
    for _ in range(3):
        browser.post("/accounts/login/", {"login": email_of("admin"), "password": "wrong"})
        browser.post("/accounts/password/reset/", {"email": email_of("admin")})
        browser.get("/accounts/password/reset/key/1-abc-def/")
    assert Session.objects.count() == 0


def test_a_disabled_person_who_knows_the_password_gets_no_session(cast, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    Client().post("/accounts/login/", {"login": email_of("admin"), "password": PASSWORD})
    assert Session.objects.count() == 0


@pytest.mark.parametrize("carries", ["nothing", "its own cookies", "a cookie of no session"])
def test_no_website_changes_the_session_of_a_person(browser_of, carries):
    """Browsers send no SameSite=Lax cookie with images, frames and forms, but do with links."""
    person = browser_of("owner")
    kept = person.cookies[SESSION].value
    for url in every_address():
        for method in ("get", "post"):
            if method != "post" and carries == "its own cookies" and url == "/accounts/logout/":
                continue  # asks before it signs out
            site = Client(enforce_csrf_checks=True)
            site.raise_request_exception = False
            if carries != "nothing":
                site.cookies[SESSION] = kept if carries == "its own cookies" else "x" * 32
            response = getattr(site, method)(
                url, headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
            )
            cookie = response.cookies.get(SESSION)
            assert cookie is None or cookie.value == kept, (method, url)
    assert person.get("/roles/").status_code == 200


def test_signing_in_and_out_sets_and_deletes_the_cookie(cast):
    browser = Client()
    browser.post("/accounts/login/", {"login": email_of("admin"), "password": PASSWORD})
    assert browser.cookies[SESSION].value
    assert browser.post("/accounts/logout/").cookies[SESSION]["max-age"] == 0
    assert Session.objects.count() == 0


def test_a_session_that_ends_loses_its_cookie(browser_of, cast):
    browser = browser_of("admin")
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    assert browser.get("/roles/").cookies[SESSION]["max-age"] == 0
    assert Session.objects.count() == 0


def test_a_person_signs_in_with_the_token_of_the_page(cast):
    browser = Client(enforce_csrf_checks=True)
    page = browser.get("/accounts/login/")
    token = page.context["csrf_token"]
    assert page.cookies[TOKEN]["httponly"] is True
    assert page.cookies[TOKEN]["samesite"] == "Lax"
    form = {"login": email_of("admin"), "password": PASSWORD, "csrfmiddlewaretoken": str(token)}
    assert browser.post("/accounts/login/", form).status_code == 302
    assert "Roles" in text(browser.get("/roles/"))


def test_the_same_token_serves_many_tabs(cast):
    browser = Client(enforce_csrf_checks=True)
    first = str(browser.get("/accounts/login/").context["csrf_token"])
    browser.get("/accounts/login/")
    browser.get("/nowhere")
    form = {"login": email_of("admin"), "password": PASSWORD, "csrfmiddlewaretoken": first}
    assert browser.post("/accounts/login/", form).status_code == 302
