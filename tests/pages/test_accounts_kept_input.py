"""Test that the input of a form survives the end of the session and a question for the password."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from keys.models import ApiKey, Session, User
from keys.views.kept_input import SALT
from tests.cast import PASSWORD, a_key, a_live_key, email_of, signed_in
from tests.pages.helpers import Response, attribute, elements, messages_of, text, the, words

CREDENTIALS = {"login": email_of("admin"), "password": PASSWORD}
PLAIN = "sbx_" + "x7Kq9ZpL2mV4tR8w" * 2
DETAILS = {
    "name": "Nightly export",
    "owner": email_of("owner"),
    "purpose": "Copies accounts.",
    "scopes": ["read:users"],
}


@pytest.fixture
def ended(browser_of):
    """A browser whose session ended while its page was open."""
    browser = browser_of("admin")
    assert browser.get("/keys/register/").status_code == 200
    Session.objects.update(expire_date=timezone.now())
    return browser


def kept_by(response: Response) -> str:
    return attribute(the(response, "input", name="kept"), "value") or ""


def fields(response: Response) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for area in elements(response, "textarea"):
        found.setdefault(attribute(area, "name") or "", []).append(words(area))
    return found


def sign_in(browser: Any, kept: str, **more: str) -> Response:
    return browser.post("/accounts/login/", {**CREDENTIALS, "next": "/keys/register/", "kept": kept, **more})


def test_a_form_is_offered_again_after_the_sign_in_and_works(ended, cast):
    asked = ended.post("/keys/register/", {**DETAILS, "expires_date": "2099-01-01"})
    assert asked.status_code == 200
    assert "Your session has ended" in messages_of(asked)
    assert "What you entered is kept" in messages_of(asked)
    wrong = sign_in(ended, kept_by(asked), password="wrong")
    resumed = sign_in(ended, kept_by(wrong))
    form = next(form for form in elements(resumed, "form") if attribute(form, "action") == "/keys/register/")
    assert form
    sent = fields(resumed)
    assert sent["purpose"] == ["Copies accounts."]
    ended.post("/keys/register/", sent)
    assert ApiKey.objects.get().purpose == "Copies accounts."


def test_no_key_and_no_password_is_in_it(ended):
    asked = ended.post("/keys/register/", {**DETAILS, "api_key": PLAIN, "purpose": f"Was {PLAIN}"})
    content = signing.loads(kept_by(asked), salt=SALT)
    assert PLAIN not in str(content)
    assert "api_key" not in dict(content["fields"])
    assert "may be an API key" in text(sign_in(ended, kept_by(asked)))
    assert PLAIN not in str([session.get_decoded() for session in Session.objects.all()])


@pytest.mark.parametrize("address", ["/keys/find/", "/accounts/password/change/"])
def test_forms_with_secrets_are_not_kept(ended, address):
    asked = ended.post(address, {"text": PLAIN, "oldpassword": PASSWORD})
    assert asked["Location"].startswith("/accounts/login/")


def test_a_foreign_form_is_not_kept(ended):
    ended.handler.enforce_csrf_checks = True
    asked = ended.post("/keys/register/", DETAILS)
    assert asked["Location"].startswith("/accounts/login/")


def test_a_changed_or_old_one_leads_to_the_page(ended):
    asked = ended.post("/keys/register/", DETAILS)
    assert sign_in(ended, kept_by(asked) + "x")["Location"] == "/keys/register/"


def _too_old(browser: Any) -> None:
    session = browser.session
    session["started_at"] = 1
    session.save()


def _idle(_: Any) -> None:
    Session.objects.update(expire_date=timezone.now())


def _signed_out_by_an_admin(_: Any) -> None:
    User.objects.update(signed_out_at=timezone.now())


@pytest.mark.parametrize("end", [_too_old, _idle, _signed_out_by_an_admin])
@pytest.mark.parametrize("sender", ["owner", "admin"])
def test_only_the_same_person_gets_it(browser_of, end, sender):
    browser = browser_of(sender)
    end(browser)
    asked = browser.post("/keys/register/", DETAILS)
    signed_in_as_admin = sign_in(browser, kept_by(asked))
    assert (signed_in_as_admin.status_code == 200) is (sender == "admin")


def test_a_visitor_is_redirected_and_told_nothing(cast):
    response = signed_in(None).post("/keys/register/", DETAILS)
    assert response["Location"].startswith("/accounts/login/")
    assert not response.cookies


def test_a_page_says_that_the_session_has_ended_and_keeps_its_filter(ended):
    response = ended.get("/keys/?q=okta&sort=name")
    assert response["Location"] == "/accounts/login/?next=/keys/%3Fq%3Dokta%26sort%3Dname"
    assert "Your session has ended" in messages_of(ended.get(response["Location"]))


def test_many_requests_after_the_end_leave_one_message_and_no_session(ended):
    Session.objects.all().delete()
    asked = [ended.get("/keys/") for _ in range(3)]
    assert [set(response.cookies) for response in asked] == [{"portal-messages"}, set(), set()]
    assert messages_of(ended.get("/accounts/login/")).count("Your session has ended") == 1
    assert Session.objects.count() == 0


def test_a_form_that_needs_the_password_is_carried_out_after_it(cast, workspace):
    browser = signed_in(cast.admin, seconds_ago=600)
    key, _ = a_live_key(workspace.sandbox, cast.user)
    address = f"/keys/{key.pk}/rescope/"
    asked = browser.post(address, {"scope": "read:items", "on": "true"})
    assert "Confirm that it is you" in text(asked)
    resumed = browser.post("/accounts/reauthenticate/", {"password": PASSWORD, "kept": kept_by(asked)})
    assert fields(resumed) == {"scope": ["read:items"], "on": ["true"]}
    assert ApiKey.objects.get().scopes == ["read:users"]
    assert browser.post(address, fields(resumed)).status_code == 302
    assert "read:items" in ApiKey.objects.get().scopes


@pytest.mark.parametrize("where", ["key", "bulk"])
def test_a_deletion_is_not_offered_without_its_page(ended, cast, where):
    key = a_key(cast.admin)
    address = f"/keys/{key.pk}/delete/" if where == "key" else f"/keys/bulk/{key.pk}/start/"
    asked = ended.post(address, {"act": "delete", "typed": "12"})
    assert asked["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("header", ["HX-Current-URL", "Referer"])
def test_a_damaged_address_in_a_header_leads_to_the_sign_in_page(cast, header):
    headers = {header: "http://[::1", "HX-Request": "true"}
    response = Client(raise_request_exception=False).get("/keys/", headers=headers)
    assert response["HX-Redirect"].startswith("/accounts/login/")
    insider = signed_in(cast.admin)
    assert insider.get(f"/keys/{a_key(cast.admin).id}/", headers={header: "http://["}).status_code == 200
