"""Test PORTAL_PASSWORD_SIGN_IN: off and break-glass, and a person who has nothing to confirm their identity with."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from keys.actions.factors.add import add_passkey
from keys.actions.people.password_link import password_link
from keys.checks import somebody_can_sign_in
from keys.models import ApiKey, User
from keys.rules.formatting import in_utc
from keys.rules.password_sign_in import PasswordSignIn
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from tests.cast import CHROME, PASSWORD, actor, email_of, said_by, signed_in
from tests.house.test_urls import prepare, send
from tests.pages.helpers import details, elements, events, links, text, words
from tests.support.post_office import deliver

__all__ = ["prepare"]  # a fixture

LOGIN, RESET, CHANGE = "/accounts/login/", "/accounts/password/reset/", "/accounts/password/change/"
CONFIRM = "/accounts/reauthenticate/"
NEW = {
    "oldpassword": PASSWORD,
    "password1": "nine green bottles hang",
    "password2": "nine green bottles hang",
}
NOBODY = "People sign in to this portal without a password"
PROTECTED = (
    *("keys:wizard", "keys:wizard-generate", "keys:store-claim", "keys:key-delete", "keys:bulk-start"),
    *("keys:key-keep", "keys:health-release", "keys:person-add", "keys:person-remove"),
    *("keys:person-sign-out", "keys:person-reset-factors", "keys:register", "keys:imports-confirm"),
    *("keys:inventory-export", "keys:past-export", "keys:activity-export", "keys:bulk-export"),
    *("keys:evidence-download", "keys:verification-explain", "keys:key-rescope"),
)


NEEDS_IT = {
    "keys:bulk-start": {"act": "delete"},
    "keys:key-rescope": {"scope": "write:users", "on": "true"},
}
"""What to send, so that it is the kind of act that needs a fresh sign-in."""


@pytest.fixture
def off(settings, cast):
    settings.PORTAL_PASSWORD_SIGN_IN = PasswordSignIn.OFF


@pytest.fixture
def emergencies(settings, cast):
    """Let only the Owner use a password."""
    settings.PORTAL_PASSWORD_SIGN_IN = PasswordSignIn.BREAK_GLASS
    settings.PORTAL_BREAK_GLASS_EMAILS = (email_of("owner"),)


def sign_in(who: str, password: str = PASSWORD) -> Any:
    browser = Client(headers={"user-agent": CHROME}, REMOTE_ADDR="192.0.2.7")
    return browser.post(LOGIN, {"login": email_of(who), "password": password})


def test_off_hides_and_refuses_passwords_everywhere(off, cast):
    stranger, admin = Client(), signed_in(cast.admin)
    page = stranger.get(LOGIN)
    assert elements(page, "input", type="password") == []
    assert "Forgot" not in text(page)
    answers = [sign_in(who) for who in ("admin", "nobody")] + [
        stranger.get(RESET),
        stranger.post(RESET, {"email": email_of("admin")}),
        stranger.get(password_link(cast.admin)),
        stranger.post(password_link(cast.admin), NEW),
        stranger.get("/accounts/password/reset/key/1-wrong/"),
        admin.get(CHANGE),
        admin.post(CHANGE, NEW),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert all(NOBODY in text(answer) for answer in answers)
    assert len({text(answer) for answer in answers[:7]}) == 1  # the same words for everybody
    admin.post(CONFIRM, {"password": PASSWORD})
    stored = User.objects.get(pk=cast.admin.pk).password
    assert (stored, deliver()) == (cast.admin.password, [])
    assert events(type__in=["session:start", "session:confirm", "password:change", "password:reset"]) == []
    account = admin.get("/account/")
    assert "Change password" not in links(account)
    assert NOBODY in text(account)
    assert details(admin.get("/settings/"))["People sign in with a password"] == "No"


def test_a_new_person_is_told_how_to_sign_in_instead_of_setting_a_password(off, cast, sandbox, settings):
    settings.PORTAL_OIDC_ISSUER, settings.PORTAL_OIDC_NAME = "https://login.example.com", "Sign in with SSO"
    settings.PORTAL_SENDS_MAIL = True
    new = [f"new.{number}@contenzilla.example" for number in range(3)]
    for email in new:
        sandbox.add_person(email=email, first_name="N", last_name="P", role="workspace_user")
    admin = signed_in(cast.admin)
    assert "A mail that says how" in text(admin.post("/people/add/", {"email": new[0]}, follow=True))
    [letter] = deliver()
    assert "Choose “Sign in with SSO” on the sign-in page: http://testserver/accounts/login/" in letter.body
    assert "password" not in letter.body
    settings.PORTAL_SENDS_MAIL = False
    assert "Tell them: Choose “Sign in with SSO”" in text(
        admin.post("/people/add/", {"email": new[1]}, follow=True)
    )
    out = StringIO()
    call_command("add_person", new[2], stdout=out)
    assert "Nobody sets a password here. Tell them: Choose" in out.getvalue()
    assert all("link" not in said_by(event) for event in events(type="person:add"))


def test_break_glass_lets_only_named_people_in_and_looks_the_same_to_all_others(emergencies, cast):
    assert sign_in("owner").status_code == 302
    refused = [sign_in("admin"), sign_in("nobody"), sign_in("owner", "a wrong password")]
    assert {answer.status_code for answer in refused} == {200}
    assert len({text(answer) for answer in refused}) == 1
    reasons = [event.reason for event in events(type="session:start", outcome="refused")]
    assert reasons == ["This person may not use a password (PORTAL_PASSWORD_SIGN_IN).", "Wrong password."]


def test_break_glass_mails_no_link_to_others_and_old_links_of_theirs_are_worthless(emergencies, cast):
    answers = [
        Client().post(RESET, {"email": email_of(who)}, follow=True) for who in ("owner", "admin", "nobody")
    ]
    assert len({text(answer) for answer in answers}) == 1
    assert [letter.to for letter in deliver()] == [[email_of("owner")]]
    link = password_link(cast.admin)
    assert (Client().get(link).status_code, Client().post(link, NEW).status_code) == (403, 403)
    assert User.objects.get(pk=cast.admin.pk).password == cast.admin.password
    assert Client().get(password_link(cast.owner)).status_code == 200
    assert signed_in(cast.admin).post(CHANGE, NEW).status_code == 403


def test_each_emergency_is_an_event_an_alert_and_a_mail_to_the_owners(emergencies, cast, settings):
    settings.PORTAL_BREAK_GLASS_EMAILS = (email_of("admin"),)
    for _ in range(2):
        sign_in("admin")
    told = [letter for letter in deliver() if "emergencies" in letter.subject]
    assert [letter.to for letter in told] == [[email_of("owner")]] * 2
    assert email_of("admin") in told[0].body
    assert "192.0.2.7" in told[0].body
    assert "(UTC)" in told[0].body, "the mail goes to several people"
    used = events(type="session:break-glass")
    assert [event.actor_email for event in used] == [email_of("admin")] * 2
    alerts = [one for one in active_alerts(timezone.now(), audit_health()) if one.kind == "break-glass"]
    assert {one.subject for one in alerts} == {str(event.uid) for event in used}
    assert in_utc(used[0].at) in alerts[1].words


@pytest.mark.parametrize(("mode", "first"), [("on", "Sign in"), ("break-glass", "Sign in with SSO")])
def test_the_way_for_every_day_comes_first_and_stands_out(cast, settings, mode, first):
    settings.PORTAL_OIDC_ISSUER, settings.PORTAL_OIDC_NAME = "https://login.example.com", "Sign in with SSO"
    settings.PORTAL_PASSWORD_SIGN_IN = mode
    page = Client().get("/accounts/login/")
    ways = [words(one) for one in elements(page, "button") if words(one).startswith("Sign in")]
    assert ways[0] == first
    assert [words(one) for one in elements(page, "button", class_="primary")] == [first]


def test_confirming_with_a_password_is_an_emergency_if_the_person_did_not_sign_in_with_it(emergencies, cast):
    browser = signed_in(cast.owner, seconds_ago=3600)
    browser.post(CONFIRM, {"password": PASSWORD})
    assert events(type="session:break-glass") == []  # their sign-in was one already
    stored = browser.session
    stored["account_authentication_methods"] = [{"method": "sso", "at": 0.0}]
    stored.save()
    browser.post(CONFIRM, {"password": PASSWORD})
    assert len(events(type="session:break-glass")) == 1


@pytest.mark.parametrize("name", PROTECTED)
def test_without_a_password_and_a_factor_nobody_can_do_a_protected_act(off, prepare, cast, name):
    _, address, body = prepare("super_admin", name)
    person = User.objects.get(pk=cast.super_admin.pk)
    person.set_unusable_password()
    person.save()
    browser = signed_in(person, seconds_ago=3600)
    before = (list(ApiKey.objects.order_by("pk").values()), User.objects.count(), len(events()))
    assert send(browser, "GET", address, {}) in {302, 405, 422}
    send(browser, "POST", address, body | NEEDS_IT.get(name, {}))
    assert (list(ApiKey.objects.order_by("pk").values()), User.objects.count(), len(events())) == before


def test_such_a_person_is_told_whom_to_ask(off, cast):
    browser = signed_in(cast.admin, seconds_ago=3600)
    page = browser.get("/keys/new/", follow=True)
    assert "you have none. You cannot add one yourself" in text(page)
    assert links(page)[email_of("owner")] == f"mailto:{email_of('owner')}"
    assert "SSO" not in text(page)  # there is no provider
    for password in (PASSWORD, ""):
        assert browser.post(CONFIRM, {"password": password}).status_code == 200
    assert browser.get("/keys/new/").status_code == 302


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"PORTAL_PASSWORD_SIGN_IN": "on"}, []),
        ({"PORTAL_PASSWORD_SIGN_IN": "off", "MFA_SUPPORTED_TYPES": ["totp"]}, ["keys.E007"]),
        ({"PORTAL_PASSWORD_SIGN_IN": "off"}, ["keys.E007"]),  # nobody has a passkey
        ({"PORTAL_PASSWORD_SIGN_IN": "off", "PORTAL_OIDC_ISSUER": "https://login.example.com"}, []),
        ({"PORTAL_PASSWORD_SIGN_IN": "break-glass"}, ["keys.E010"]),
        (
            {
                "PORTAL_PASSWORD_SIGN_IN": "break-glass",
                "PORTAL_BREAK_GLASS_EMAILS": (email_of("owner"), "x@y.z"),
            },
            ["keys.E009"],
        ),
        (
            {"PORTAL_PASSWORD_SIGN_IN": "break-glass", "PORTAL_BREAK_GLASS_EMAILS": (email_of("owner"),)},
            [],
        ),
    ],
)
def test_the_portal_does_not_start_if_nobody_could_sign_in(cast, settings, values, found):
    settings.PORTAL_BREAK_GLASS_EMAILS = ()
    for name, value in values.items():
        setattr(settings, name, value)
    assert [message.id for message in somebody_can_sign_in()] == found
    assert all("x@y.z" in message.msg for message in somebody_can_sign_in() if message.id == "keys.E009")


def test_without_a_provider_the_portal_starts_only_if_a_passkey_opens_it(cast, settings):
    settings.PORTAL_PASSWORD_SIGN_IN = "off"
    add_passkey(actor(cast.admin), "Laptop", {"id": "a credential"})
    assert [message.id for message in somebody_can_sign_in()] == ["keys.E007"], "an Admin lets nobody in"
    add_passkey(actor(cast.super_admin), "Laptop", {"id": "another credential"})
    assert [message.id for message in somebody_can_sign_in()] == ["keys.W001"]
    User.objects.filter(pk=cast.super_admin.pk).update(is_active=False)
    assert [message.id for message in somebody_can_sign_in()] == ["keys.E007"]


def test_before_the_first_person_is_added_emergencies_name_unknown_people(db, settings):
    settings.PORTAL_PASSWORD_SIGN_IN = "break-glass"
    settings.PORTAL_BREAK_GLASS_EMAILS = ("owner@example.com",)
    assert somebody_can_sign_in() == []
