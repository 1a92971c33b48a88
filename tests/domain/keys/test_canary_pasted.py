"""Search for a known pasted key after it was refused, accepted, found and deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings as portal
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from keys import cerby
from keys.actions.keys.find_leaked import find_leaked
from keys.actions.keys.paste import paste_key
from keys.actions.keys.register import register_key
from keys.crypto import fingerprint
from keys.forms.existing_key import FindForm, PasteForm
from keys.models import ApiKey
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.lifecycle import State
from keys.validation.existing_key import Registration
from tests.cast import actor, signed_in
from tests.domain.keys.test_canary_actions import files_of, journal, leaks, outbox, raised, rows
from tests.pages.journey import GENERATE, answers
from tests.support.bad_server import refusal, serving

__all__ = ["journal"]


@pytest.fixture
def by_hand(committed_cast, workspace, settings):
    """``by_hand("read:users")`` creates a key of the admin in Cerby's web app and returns its plain text."""
    settings.CERBY_ISSUE_MODE = "assisted"

    def make(*scopes: str) -> str:
        now = timezone.now()
        facts = {"created_at": now, "expires_at": now + timedelta(days=1)}
        email = committed_cast.admin.email
        return workspace.sandbox.add_key(owner_email=email, name="By hand", scopes=list(scopes), **facts)[1]

    return make


def test_a_pasted_key_is_stored_nowhere_after_its_whole_life(
    *, database, committed_cast, workspace, by_hand, journal, settings
):
    browser = signed_in(committed_cast.admin)
    sent = answers(scopes=["read:users", "read:integrations"])
    address = browser.post(GENERATE, sent)["Location"]
    plain, wide = by_hand("read:users"), by_hand("read:users", "read:vaults")

    said = [browser.post(address, {"api_key": wide})]  # refused: too wide
    said += [browser.post(address, {"api_key": plain})]  # refused: narrower
    said += [browser.post(address, {"api_key": f"{plain} {plain}"})]  # refused: no key
    settings.CERBY_BASE_URL, there = "http://127.0.0.1:9", settings.CERBY_BASE_URL
    said += [browser.post(address, {"api_key": plain})]  # Cerby is down
    settings.CERBY_BASE_URL = there
    assert [page.status_code for page in said] == [422, 422, 422, 503]
    taken = {"api_key": plain, "accept_less": "on", "save": "on", "vault": workspace.vaults[0]}
    assert browser.post(address, taken)["Location"] == "/keys/"
    said += [browser.post(address, {"api_key": plain}), browser.post(address, {"api_key": wide})]
    said += [browser.post("/keys/find/", {"text": f"x {plain} y {wide}"})]
    said += [browser.post("/keys/find/", {"file": SimpleUploadedFile("a.log", f"{plain}\n{wide}".encode())})]
    declared = {
        "name": "By hand",
        "owner": committed_cast.admin.email,
        "purpose": "P",
        "scopes": ["read:users"],
    }
    said += [browser.post("/keys/register/", declared | {"expires_date": "2099-01-01", "api_key": wide})]
    said += [
        browser.post(f"/keys/{sent['id']}/delete/"),
        browser.get(f"/keys/{sent['id']}/"),
        browser.get("/activity/"),
    ]
    assert ApiKey.objects.get().state in {State.REVOKING, State.REVOKED}

    places = {
        "the database's files": files_of(database),
        "its rows": rows(),
        "the logs": journal.text,
        "the mail": outbox(),
        "pages": "".join(page.content.decode() for page in said),
        "this session": repr(dict(browser.session)),
    }
    assert {place for place, held in places.items() for one in (plain, wide) if leaks(one, held)} == set()
    assert journal.text.count("\n") > 10


def test_no_error_contains_it(database, committed_cast, by_hand, journal, settings):
    me = actor(committed_cast.admin)
    browser = signed_in(committed_cast.admin)
    sent = answers(scopes=["read:users"])
    browser.post(GENERATE, sent)
    plain = by_hand("read:users", "read:vaults")
    what = Registration(
        name="By hand",
        owner_email=me.email,
        purpose="P",
        expires_at=timezone.now() + timedelta(days=1),
        scopes=("read:users",),
    )
    print_ = fingerprint.compute(plain, peppers=portal.PORTAL_PEPPERS)
    said = [raised(Invalid, lambda: paste_key(me, sent["id"], plain))]
    said += [raised(Invalid, lambda: paste_key(me, sent["id"], plain + "\x00"))]
    said += [raised(Invalid, lambda: register_key(me, what, secret=plain))]
    with serving(refusal(400, f"The key {plain} is not welcome.")) as server:
        settings.CERBY_BASE_URL = server.url
        said += [raised(CerbyError, lambda: cerby.probe_key(plain))]
        said += [raised(CerbyError, lambda: register_key(me, what, secret=plain))]
    ApiKey.objects.filter(pk=sent["id"]).update(state=State.ABSENT)
    said += [raised(Conflict, lambda: paste_key(me, sent["id"], plain))]
    ApiKey.objects.update(fingerprint=print_.digest, pepper_id=print_.pepper_id)
    said += [raised(Invalid, lambda: register_key(me, what, secret=plain))]
    assert find_leaked(me, text=plain).keys
    assert [leaks(plain, told) for told in said] == [[]] * len(said)
    assert not leaks(plain, journal.text)


@pytest.mark.parametrize("form", [PasteForm, FindForm])
def test_an_invalid_form_does_not_show_it_again(form):
    canary = "sbx_canary-0123456789-abcdefghijklmnop"
    shown = PasteForm({"api_key": canary}, vaults=[]) if form is PasteForm else FindForm({"text": canary})
    shown.full_clean()
    assert canary not in shown.as_div()
