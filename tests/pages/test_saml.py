"""Sign in and confirm an identity with SAML: proper answers are accepted, and every forged one is refused."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from keys.models import SsoLink
from keys.saml import metadata
from tests.cast import CHROME, email_of, signed_in
from tests.pages.helpers import events, text
from tests.support import saml_provider
from tests.support.saml_forgeries import FORGERIES
from tests.support.saml_provider import Answer, Asked, asked, encoded, encrypted, key_pair

ACS, FINISH = "/accounts/saml/acs/", "/accounts/saml/finish/"


@pytest.fixture
def provider(settings, tmp_path):
    """Configure a provider, and return the file with its metadata."""
    path = tmp_path / "metadata.xml"
    path.write_text(saml_provider.metadata())
    settings.PORTAL_SAML_ISSUER = saml_provider.ENTITY_ID
    settings.PORTAL_SAML_METADATA_FILE = path
    settings.PORTAL_SAML_EMAILS_VERIFIED = True
    metadata.forget_metadata()
    yield path
    metadata.forget_metadata()


@pytest.fixture
def linked(provider, cast):
    """Link the admin with their account at the provider, as their first sign-in does."""
    browser = a_browser()
    come_back(browser, start(browser))
    assert who_is_in(browser) == email_of("admin")
    return cast.admin


def a_browser() -> Client:
    return Client(headers={"user-agent": CHROME})


def start(browser: Client, path: str = "/accounts/sso/") -> Asked:
    page = browser.post(path, {"next": "/keys/"})
    assert page.status_code == 200, text(page)
    return asked(page.context["url"])


def post(answer: str, relay_state: str) -> Any:
    """Send the form of the provider's page: a browser adds no cookies to it, and it has no token of ours."""
    elsewhere = Client(enforce_csrf_checks=True, headers={"user-agent": CHROME})
    return elsewhere.post(ACS, {"SAMLResponse": encoded(answer), "RelayState": relay_state})


def finish(browser: Client, posted: Any) -> Any:
    """Follow the redirect in ``browser``, with its own cookies and the new one."""
    assert (posted.status_code, posted["Location"]) == (302, FINISH)
    browser.cookies.update(posted.cookies)
    return browser.get(FINISH)


def come_back(browser: Client, sent: Asked, **other: Any) -> Any:
    return finish(browser, post(Answer(sent.id, **other).response(), sent.relay_state))


def who_is_in(browser: Client) -> str:
    page = browser.get("/roles/")
    return page.context["user"].email if page.status_code == 200 else ""


@pytest.mark.parametrize("signs", ["assertion", "response"])
def test_a_proper_answer_signs_in_and_leads_on(provider, cast, signs):
    browser = a_browser()
    sent = start(browser)
    assert "ForceAuthn" not in sent.xml
    assert come_back(browser, sent, signs=signs)["Location"] == "/keys/"
    assert who_is_in(browser) == email_of("admin")
    link = SsoLink.objects.get()
    assert (link.user, link.issuer, link.subject) == (cast.admin, saml_provider.ENTITY_ID, "a7f3")
    assert [(e.type, e.outcome, e.details.get("method")) for e in events()] == [
        ("sso:link", "done", None),
        ("session:start", "done", "sso"),
    ]


def test_no_forged_answer_signs_anybody_in(linked):
    """The proper answer from which each is forged signs in: the corpus bites."""
    found = {}
    for name, (forge, reason) in FORGERIES.items():
        browser = a_browser()
        sent = start(browser)
        page = finish(browser, post(forge(Answer(sent.id)), sent.relay_state))
        found[name] = (page.status_code, who_is_in(browser), reason if reason in text(page) else text(page))
    assert found == {name: (403, "", reason) for name, (_, reason) in FORGERIES.items()}
    browser = a_browser()
    come_back(browser, start(browser))
    assert who_is_in(browser) == email_of("admin")


def test_an_answer_works_once_and_only_in_the_browser_that_asked(linked):
    browser, other = a_browser(), a_browser()
    sent = start(browser)
    answer = Answer(sent.id).response()
    posted = post(answer, sent.relay_state)
    assert "was started in another browser" in text(finish(other, posted))
    assert who_is_in(other) == ""
    finish(browser, posted)
    assert who_is_in(browser) == email_of("admin")
    browser.post("/accounts/logout/")
    assert post(answer, sent.relay_state).status_code == 403
    assert finish(browser, posted).status_code == 403
    assert who_is_in(browser) == ""


@pytest.mark.parametrize("relay_state", ["", "/keys/", "https://evil.example.com/", "x" * 10_000])
def test_an_answer_that_the_portal_did_not_ask_for_is_refused(linked, relay_state):
    page = post(Answer("").response(), relay_state)
    assert (page.status_code, page.cookies) == (403, {})
    assert "start on the portal's sign-in page" in text(page)
    assert events()[-1].type == "session:start"
    assert events()[-1].outcome == "done"  # the admin's own


def test_a_response_does_not_fit_the_request_of_another_browser(linked):
    browser, attacker = a_browser(), a_browser()
    stolen = Answer(start(attacker).id).response()
    page = finish(browser, post(stolen, start(browser).relay_state))
    assert "another sign-in" in text(page)
    assert who_is_in(browser) == ""


def test_a_step_up_asks_anew_and_keeps_the_session(linked):
    browser = signed_in(linked, seconds_ago=3600)
    sent = start(browser, "/accounts/sso/confirm/")
    assert 'ForceAuthn="true"' in sent.xml
    assert come_back(browser, sent)["Location"] == "/keys/"
    assert who_is_in(browser) == email_of("admin")
    latest = browser.session["account_authentication_methods"][-1]
    assert latest["method"] == "sso"
    assert time.time() - latest["at"] < 60
    assert (events()[-1].type, events()[-1].outcome) == ("session:confirm", "done")


REFUSED_STEP_UPS: dict[str, tuple[dict[str, Any], str]] = {
    "the provider did not ask": ({"signed_in": -60}, "did not ask you"),
    "signed in later": ({"signed_in": 60}, "Check both clocks"),
    "another person": ({"subject": "b8e4"}, "Somebody else"),
    "other certificate": ({"signer": key_pair("attacker")}, "signature is wrong"),
    "expired": ({"begins": -300, "ends": -61}, "expired"),
    "too weak": ({"context": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}, "as strongly"),
}


def test_a_refused_step_up_changes_nothing_and_is_recorded(linked, settings):
    settings.PORTAL_SAML_ACR = ["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"]
    browser = signed_in(linked, seconds_ago=3600)
    browser.get("/roles/")  # the session begins
    for answer, reason in REFUSED_STEP_UPS.values():
        before = dict(browser.session)
        sent = start(browser, "/accounts/sso/confirm/")
        assert "<saml:AuthnContextClassRef>" in sent.xml
        assert reason in text(come_back(browser, sent, **answer))
        assert dict(browser.session) == before
        assert (events()[-1].type, events()[-1].outcome) == ("session:confirm", "refused")


def test_an_answer_to_a_sign_in_is_no_step_up(linked):
    """Somebody who can sign in as the admin elsewhere cannot confirm the admin's session with that."""
    browser, elsewhere = signed_in(linked, seconds_ago=3600), a_browser()
    finish(browser, post(Answer((sent := start(elsewhere)).id).response(), sent.relay_state))
    assert "sso" not in {one["method"] for one in browser.session["account_authentication_methods"]}


def test_people_are_found_by_their_name_id_and_linked_only_by_an_email_that_belongs_to_them(
    provider, cast, settings
):
    settings.PORTAL_SAML_EMAILS_VERIFIED = False
    browser = a_browser()
    assert "belongs to you" in text(come_back(browser, start(browser)))
    settings.PORTAL_SAML_EMAILS_VERIFIED = True
    come_back(browser, start(browser))
    browser = a_browser()
    come_back(browser, start(browser), email=email_of("owner"))
    assert who_is_in(browser) == email_of("admin")
    browser = a_browser()
    assert "does not know you" in text(
        come_back(browser, start(browser), subject="new", email="new@example.com")
    )
    assert who_is_in(browser) == ""


def test_the_provider_may_change_its_key(provider, cast, settings):
    browser = a_browser()
    provider.write_text(saml_provider.metadata(key_pair(), key_pair("next")))
    metadata.forget_metadata()
    for pair in (key_pair(), key_pair("next")):
        come_back(browser, start(browser), signer=pair)
        assert who_is_in(browser) == email_of("admin")
        browser.post("/accounts/logout/")


def test_with_a_key_requests_are_signed_and_answers_may_be_encrypted(provider, cast, settings):
    own = key_pair("portal")
    settings.PORTAL_SAML_KEY, settings.PORTAL_SAML_CERTIFICATE = own.key, own.certificate
    provider.write_text(saml_provider.metadata(wants_signed_requests=True))
    found = {}
    for weakly in (False, True):
        browser = a_browser()
        sent = start(browser)
        assert sent.is_signed_with(own)
        answer = Answer(sent.id)
        closed = encrypted(answer.signed_assertion(), own.certificate, weakly=weakly)
        page = finish(browser, post(answer.response(closed), sent.relay_state))
        found[weakly] = who_is_in(browser) or text(page)
    assert found[False] == email_of("admin")
    assert "not allowed" in found[True]
    sent = start(browser)
    unsigned = encrypted(Answer(sent.id).assertion(), own.certificate)  # anybody can encrypt for the portal
    assert "is not signed" in text(
        finish(browser, post(Answer(sent.id).response(unsigned), sent.relay_state))
    )
    assert who_is_in(browser) == ""


def test_a_comment_in_an_encrypted_assertion_splits_no_value(linked, settings):
    """The signature does not cover comments, and anybody can encrypt a signed assertion for the portal."""
    own = key_pair("portal")
    settings.PORTAL_SAML_KEY, settings.PORTAL_SAML_CERTIFICATE = own.key, own.certificate
    for where in ("subject", "email"):
        for comment in ("", "<!-- -->"):
            browser = a_browser()
            sent = start(browser)
            victims = Answer(sent.id)
            value = getattr(victims, where)
            answer = victims.but(**({"subject": "new"} | {where: f"{value}.evil.example"}))
            signed = answer.signed_assertion().replace(f">{value}.evil", f">{value}{comment}.evil")
            closed = encrypted(signed, own.certificate)
            said = text(finish(browser, post(answer.response(closed), sent.relay_state)))
            assert ("has a comment" in said) == bool(comment), (where, comment, said)
            assert who_is_in(browser) == ""


ATTRIBUTE = '</saml:AttributeValue></saml:Attribute><saml:Attribute Name="{}"><saml:AttributeValue>{}'
TWICE = "admin@contenzilla.example" + ATTRIBUTE


@pytest.mark.parametrize(
    ("email", "who", "said"),
    [
        (TWICE.format("email", "admin@contenzilla.example"), "admin", ""),
        (TWICE.format("mail", "Admin@Contenzilla.example"), "admin", ""),
        (TWICE.format("email", "owner@contenzilla.example"), "", "did not say which email"),
        (TWICE.format("mail", "owner@contenzilla.example"), "", "did not say which email"),
        (TWICE.format("other", "owner@contenzilla.example"), "admin", ""),
    ],
)
def test_a_duplicated_attribute_names_one_person_or_nobody(provider, cast, email, who, said):
    browser = a_browser()
    page = come_back(browser, start(browser), email=email)
    assert who_is_in(browser) == (email_of(who) if who else "")
    assert said in page.content.decode()


def test_the_longest_name_fits_into_the_cookie(provider, cast):
    browser = a_browser()
    sent = start(browser)
    long: dict[str, Any] = {"subject": "\U0001d54f" * 255, "context": "urn:x:" + "y" * 9000}
    posted = post(Answer(sent.id, **long).response(), sent.relay_state)
    [cookie] = posted.cookies.values()
    assert len(cookie.OutputString()) < 4096
    finish(browser, posted)
    assert who_is_in(browser) == email_of("admin")


def test_the_metadata_tells_the_provider_our_addresses(provider, client, db):
    page = client.get("/accounts/saml/metadata/")
    assert page["Content-Type"] == "application/samlmetadata+xml"
    assert b'Location="http://testserver/accounts/saml/acs/"' in page.content
    assert b'entityID="http://testserver/accounts/saml/metadata/"' in page.content


def said_by_saml_check() -> str:
    out = StringIO()
    try:
        call_command("saml_check", stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def test_saml_check_says_what_to_enter_and_what_is_wrong(provider, settings):
    told = said_by_saml_check()
    assert "http://testserver/accounts/saml/acs/" in told
    assert "Certificate of CN=provider (RSA, 2048 bits), valid until" in told
    assert "Everything that can be checked from here is right" in told

    provider.write_text(
        saml_provider.metadata(
            key_pair("old", days=-1), key_pair("next", days=20), wants_signed_requests=True
        )
    )
    settings.PORTAL_SAML_KEY, settings.PORTAL_SAML_CERTIFICATE = key_pair().key, key_pair("next").certificate
    told = said_by_saml_check()
    assert "does not fit" in told
    assert "It has expired" in told
    assert "Soon, the provider must publish" in told
    assert "Problems: 2." in told

    settings.PORTAL_SAML_KEY = ""
    assert "wants signed requests" in said_by_saml_check()
    settings.PORTAL_SAML_ISSUER = "https://idp.example.com"
    assert "The metadata describes https://idp.example.com/saml, but" in said_by_saml_check()
    provider.write_text(
        saml_provider.metadata()
        .replace("<md:IDP", "<!-- Proper --><md:IDP")
        .replace("<md:Ent", '<!DOCTYPE r [<!ENTITY e "x">]><md:Ent', 1)
    )
    assert "document type definition. Check PORTAL_SAML_METADATA_FILE." in said_by_saml_check()
    settings.PORTAL_SAML_METADATA_FILE, settings.PORTAL_SAML_METADATA_URL = (
        None,
        "https://localhost:9/metadata",
    )
    assert "which is not public. If it is in your own network, set PORTAL_SAML_PRIVATE=true." in (
        said_by_saml_check()
    )
    settings.PORTAL_SAML_ISSUER = ""
    assert "not configured" in said_by_saml_check()


def test_without_a_provider_there_are_no_such_pages(client, db):
    assert [client.post(ACS).status_code, client.get(FINISH).status_code] == [404, 404]
    assert client.get("/accounts/saml/metadata/").status_code == 404
