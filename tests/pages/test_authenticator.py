"""Test authenticator apps: adding, using and removing one."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail

from keys.actions.factors.reset import reset_factors
from keys.models import AuditEvent, Session, User
from tests.cast import PASSWORD, actor, signed_in
from tests.pages.factors import (
    CONFIRM,
    STEP,
    WRONG,
    a_browser,
    after_password,
    is_in,
    outcomes,
)
from tests.pages.helpers import text
from tests.support.authenticators import (
    add_app,
    code_of,
    codes_in,
    form_of,
)
from tests.support.post_office import deliver

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")

ADD = "/account/authenticator/add/"


def test_an_app_signs_in_as_the_second_step(cast):
    secret, added = add_app(signed_in(cast.admin))
    assert len(codes_in(added)) == 10
    browser = a_browser()
    assert after_password(browser)["Location"] == STEP
    assert not is_in(browser), "the password alone signs nobody in"
    assert browser.post(STEP, {"code": code_of(secret)}).status_code == 302
    assert is_in(browser)
    assert outcomes("session:start") == [("done", "password and app")]


def test_an_app_accepts_a_code_once(cast):
    secret, _ = add_app(signed_in(cast.admin), periods=0)
    browser = a_browser()
    after_password(browser)
    assert WRONG in text(browser.post(STEP, {"code": code_of(secret)})), "adding the app used it"
    assert browser.post(STEP, {"code": code_of(secret, periods=1)}).status_code == 302
    other = a_browser()
    after_password(other)
    assert WRONG in text(other.post(STEP, {"code": code_of(secret, periods=1)}))
    assert not is_in(other)


def test_an_app_accepts_a_code_once_at_the_sign_in_and_the_confirmation_together(cast):
    secret, _ = add_app(signed_in(cast.admin))
    code, next_code = code_of(secret), code_of(secret, periods=1)
    browser = a_browser()
    after_password(browser)
    assert browser.post(STEP, {"code": code}).status_code == 302
    assert WRONG in text(browser.post(CONFIRM, {"code": code}))
    assert browser.post(CONFIRM, {"code": next_code}).status_code == 302


@pytest.mark.parametrize("how", ["removed", "replaced", "reset"])
def test_an_app_that_is_gone_cannot_be_added_again_with_its_form(cast, how):
    """Its codes could be used a second time otherwise."""
    browser = signed_in(cast.admin)
    sent = form_of(browser, periods=-1)
    assert browser.post(ADD, sent).status_code == 200
    again = browser.post(ADD, sent)
    assert (again.status_code, codes_in(again)) == (409, [])
    assert "The recovery codes were shown once" in text(again)
    if how == "removed":
        browser.post("/account/authenticator/remove/")
    elif how == "replaced":
        add_app(browser)
    else:
        reset_factors(actor(cast.owner), cast.admin.pk, reason="A lost phone.")
        browser = signed_in(User.objects.get(pk=cast.admin.pk))
    secret = sent.pop("secret")
    for periods in (-1, 0, 1):
        answer = browser.post(ADD, sent | {"code": code_of(secret, periods=periods)})
        assert answer.status_code in {409, 422}
    assert Authenticator.objects.filter(type="totp").count() == (1 if how == "replaced" else 0)
    assert outcomes("factor:add").count(("done", "app")) == (2 if how == "replaced" else 1)


def test_an_app_is_replaced_only_when_the_new_one_has_shown_a_code(cast):
    browser = signed_in(cast.admin)
    former, _ = add_app(browser)
    assert "Replace the authenticator app" in text(browser.get(ADD))
    wrong = browser.post(ADD, form_of(browser) | {"code": "000000"})
    assert "This code is wrong" in text(wrong)
    former_next = code_of(former, periods=1)
    later = signed_in(cast.admin, seconds_ago=600)
    assert later.post(CONFIRM, {"code": code_of(former)}).status_code == 302
    secret, answer = add_app(browser)
    assert answer["Location"] == "/account/", "the recovery codes stay"
    assert WRONG in text(later.post(CONFIRM, {"code": former_next}))
    assert later.post(CONFIRM, {"code": code_of(secret)}).status_code == 302
    assert outcomes("factor:remove") == [("done", "app")]
    deliver()
    assert [sent.subject.partition(" your account")[0] for sent in mail.outbox] == [
        "A second factor was added to",
        "A second factor was removed from",
        "A second factor was added to",
        "A second factor of",  # the code of the former one was refused
    ]


def test_an_app_has_no_secret_in_clear_anywhere(cast):
    secret, _ = add_app(signed_in(cast.admin))
    row = Authenticator.objects.get(type="totp")
    places = [json.dumps(row.data), *(str(session.get_decoded()) for session in Session.objects.all())]
    places += [str([event.details, event.personal, bytes(event.leaf)]) for event in AuditEvent.objects.all()]
    assert not [place for place in places if secret in place]


def test_an_app_survives_a_new_secret_key(cast, settings):
    secret, _ = add_app(signed_in(cast.admin))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" * 16, [settings.SECRET_KEY]
    browser = a_browser()
    after_password(browser)
    assert browser.post(STEP, {"code": code_of(secret)}).status_code == 302
    settings.SECRET_KEY_FALLBACKS = []  # the use has encrypted it anew
    other = a_browser()
    after_password(other)
    assert other.post(STEP, {"code": code_of(secret, periods=1)}).status_code == 302


def test_an_app_of_another_person_is_refused(cast):
    add_app(signed_in(cast.admin))
    secret, _ = add_app(signed_in(cast.owner))
    browser = a_browser()
    after_password(browser)
    assert WRONG in text(browser.post(STEP, {"code": code_of(secret)}))


def test_an_app_with_an_old_or_foreign_form_is_not_added(cast, monkeypatch):
    page = signed_in(cast.admin).get("/account/authenticator/add/").content.decode()
    box = page.partition('name="box" value="')[2].partition('"')[0]
    owner = signed_in(cast.owner)
    assert owner.post("/account/authenticator/add/", {"box": box, "code": "123456"}).status_code == 422
    assert not Authenticator.objects.exists()


def test_an_app_is_needed_to_confirm_and_the_password_is_not_enough(cast):
    browser = signed_in(cast.admin)
    secret, _ = add_app(browser)
    late = signed_in(cast.admin, seconds_ago=600)
    assert late.post("/keys/new/details/", {}).status_code in {302, 200}
    page = late.get(CONFIRM)
    assert "password" not in text(page).lower().replace("with your password and a recovery code", "")
    assert late.post(CONFIRM, {"password": PASSWORD, "next": "/people/add/"}).status_code == 422
    assert late.get("/people/add/").status_code == 302
    answer = late.post(CONFIRM, {"code": code_of(secret), "next": "/people/add/"})
    assert answer["Location"] == "/people/add/"
    assert late.get("/people/add/").status_code == 200
    assert outcomes("session:confirm") == [("done", "app")]


def test_an_app_is_needed_soon_after_a_sign_in_with_the_password(cast):
    """The session is older than the factor: its fresh password counts no more."""
    other = signed_in(cast.admin)
    assert other.get("/people/add/").status_code == 200
    add_app(signed_in(cast.admin))
    assert other.get("/people/add/").status_code == 302


def test_an_app_leads_back_to_an_own_page_only(cast):
    browser = signed_in(cast.admin)
    secret, _ = add_app(browser)
    answer = browser.post(CONFIRM, {"code": code_of(secret), "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_an_app_removal_is_recorded_and_mailed_and_takes_the_codes_along(cast):
    browser = signed_in(cast.admin)
    add_app(browser)
    assert "last second factor" in text(browser.get("/account/authenticator/remove/"))
    assert browser.post("/account/authenticator/remove/").status_code == 302
    assert not Authenticator.objects.exists()
    assert outcomes("factor:remove") == [("done", "app"), ("done", "recovery code")]
    deliver()
    assert [sent.subject for sent in mail.outbox] == [
        "A second factor was added to your account in the Cerby Key Portal",
        "A second factor was removed from your account in the Cerby Key Portal",
    ]
