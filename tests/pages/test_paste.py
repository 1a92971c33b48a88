"""Test the page Paste your API key: instructions, errors, and that the plain text is not kept."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.crypto import fingerprint
from keys.models import ApiKey, RevealGrant
from keys.rules.lifecycle import State
from tests.cast import a_key
from tests.pages.helpers import (
    attribute,
    elements,
    events,
    links,
    messages_of,
    reason_beside,
    rows,
    text,
    the,
)
from tests.pages.journey import GENERATE, answers

FIELD = "id_api_key"


@pytest.fixture(autouse=True)
def _assisted(settings) -> None:
    settings.CERBY_ISSUE_MODE = "assisted"


@pytest.fixture
def admin(browser_of) -> Client:
    return browser_of("admin")


@pytest.fixture
def made_by_hand(sandbox, cast):
    """``made_by_hand(["read:users"])`` returns the plain text of a key that a person made in Cerby's web app."""

    def make(scopes: list[str], *, name: str = "Made by hand", expires_at=None) -> str:
        now = timezone.now()
        _, plain = sandbox.add_key(
            owner_email=cast.admin.email,
            name=name,
            scopes=scopes,
            created_at=now,
            expires_at=expires_at or now + timedelta(days=1),
        )
        return plain

    return make


def test_the_wizard_needs_no_script_and_no_key_pair(admin):
    page = admin.get("/keys/new/")
    assert not elements(page, name="tab_key")
    assert "JavaScript" not in text(page)
    assert ("disabled", None) not in the(page, id="wizard-next").attributes
    answer = admin.post(GENERATE, {name: value for name, value in answers().items() if name != "tab_key"})
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/paste/")


def test_the_page_says_where_cerby_has_the_keys(admin, settings):
    key = awaited(admin)
    assert "Settings → Workspace Configuration → API keys" in text(admin.get(f"/keys/{key.id}/paste/"))
    settings.CERBY_KEYS_PATH = "Workspace → Keys"
    assert "Go to Workspace → Keys" in text(admin.get(f"/keys/{key.id}/paste/"))


def awaited(browser: Client, **changes) -> ApiKey:
    """Go through the wizard's two pages. Afterwards the portal waits for the key."""
    sent = answers(**changes)
    response = browser.post(GENERATE, sent)
    assert response["Location"] == f"/keys/{sent['id']}/paste/"
    return ApiKey.objects.get(pk=sent["id"])


def paste(browser: Client, key: ApiKey, plain: str, **more):
    return browser.post(f"/keys/{key.pk}/paste/", {"api_key": plain, **more})


def now(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def test_the_page_lists_the_values_to_enter_in_cerby(admin):
    key = awaited(admin, name="CI pipeline", scopes=["read:users", "write:automations"])
    page = admin.get(f"/keys/{key.pk}/paste/")
    copyable = [attribute(button, "aria-label") for button in elements(page, "button", class_="small")]
    expires = timezone.localtime(key.expires_at)
    assert copyable == [
        "Copy “CI pipeline”",
        f"Copy “{expires.day} {expires:%B %Y, %H:%M} (UTC)”",
        "Copy “Read users”",
        "Copy “Write automated jobs”",
    ]
    for button in elements(page, "button", class_="small"):
        the(page, id=attribute(button, "data-copy"))
    assert "https://contenzilla.cerby.com" in links(page).values()
    assert page["Cache-Control"] == "no-store, private, no-transform"


def test_the_key_is_proved_fingerprinted_and_forgotten(admin, cast, made_by_hand, settings):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    response = paste(admin, key, f"  {plain}\n")
    assert response["Location"] == f"/keys/{key.pk}/store/"
    taken = now(key)
    assert (taken.state, taken.cerby_id, taken.last_four) == (State.CLAIMED, None, plain[-4:])
    stored = fingerprint.Fingerprint(taken.pepper_id, bytes(taken.fingerprint))
    assert fingerprint.matches(plain, stored, settings.PORTAL_PEPPERS)
    assert not RevealGrant.objects.exists()
    [event] = events(type="key:paste")
    assert event.details == {
        "scopes": ["read:users"],
        "not_granted": [],
        "not_checkable": [],
        "last_four": plain[-4:],
        "fingerprint_digest": fingerprint.digest_for_log(stored),
    }
    assert event.actor_email == cast.admin.email


def test_the_job_goes_on_to_done(admin, made_by_hand):
    key = awaited(admin, name="CI pipeline", scopes=["read:users"])
    assert rows(admin.get("/keys/"))[0]["Status"] == "Pending not pasted yet"
    paste(admin, key, made_by_hand(["read:users"]))
    store = admin.get(f"/keys/{key.pk}/store/")
    assert "keeps only its fingerprint" in text(store)
    admin.post(f"/keys/{key.pk}/store/done/")
    [row] = rows(admin.get("/keys/"))
    assert (row["Name"], row["Status"]) == ("CI pipeline", "Active")


def test_save_in_cerby_happens_in_the_same_breath(admin, made_by_hand, workspace):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    response = paste(admin, key, plain, save="on", vault=workspace.vaults[1])
    assert response["Location"] == "/keys/"
    assert "in the vault “Automation”" in messages_of(admin.get("/keys/"))
    assert (now(key).state, now(key).stored_in) == (State.HELD, "Automation")
    assert [event.type for event in events(key_id=key.pk)][-3:] == [
        "key:paste",
        "key:start-save",
        "key:store",
    ]


def test_a_failed_save_keeps_the_accepted_key_and_is_reported(admin, made_by_hand, settings, workspace):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    settings.CERBY_API_KEY = made_by_hand(["read:vaults", "read:users"])  # lists vaults and writes nothing
    response = paste(admin, key, plain, save="on", vault=workspace.vaults[0])
    assert response["Location"] == f"/keys/{key.pk}/store/"
    assert "it is not saved in Cerby" in messages_of(admin.get(response["Location"]))
    assert now(key).state == State.CLAIMED


@pytest.mark.parametrize(
    ("asked", "granted", "said"),
    [
        (
            ["read:items:accounts"],
            ["read:items"],
            "has more than the requested scopes: Read items or Read secrets",
        ),
        (["read:users"], ["read:users", "read:vaults"], "has more than the requested scopes: Read vaults"),
        (["read:users"], ["read:activities"], "Cerby does not accept this key"),
    ],
)
def test_a_key_that_does_not_match_the_request_is_refused(admin, made_by_hand, asked, granted, said):
    key = awaited(admin, scopes=asked)
    response = paste(admin, key, made_by_hand(granted), accept_less="on")
    assert response.status_code == 422
    assert said in reason_beside(response, FIELD)
    assert (now(key).state, now(key).fingerprint) == (State.AWAITED, None)


def test_a_narrower_key_is_told_and_may_be_accepted(admin, made_by_hand):
    key = awaited(admin, scopes=["read:users", "read:integrations", "write:automations"])
    plain = made_by_hand(["read:users", "write:automations"])
    response = paste(admin, key, plain)
    assert response.status_code == 422
    assert "Read integrations" in reason_beside(response, "id_accept_less")
    assert paste(admin, key, plain, accept_less="on").status_code == 302
    assert now(key).scopes == ["read:users", "write:automations"]
    [event] = events(type="key:paste")
    assert event.details["not_granted"] == ["read:integrations"]
    assert event.details["not_checkable"] == ["write:automations"]


def test_scopes_that_cannot_be_checked_need_a_confirmation(admin, made_by_hand):
    key, plain = awaited(admin, scopes=["read:activities"]), made_by_hand(["read:activities"])
    assert "the portal cannot tell whether this one works" in reason_beside(
        paste(admin, key, plain), "id_accept_less"
    )
    assert paste(admin, key, plain, accept_less="on").status_code == 302


@pytest.mark.parametrize("wrong", ["", "short", "with a space in the middle of it", "x" * 5000, "ü" * 30])
def test_text_that_cannot_be_a_key_is_not_sent_to_cerby(admin, sandbox, wrong):
    key = awaited(admin)
    asked_before = len(sandbox.journal())
    response = paste(admin, key, wrong)
    assert response.status_code == 422
    assert reason_beside(response, FIELD)
    new = sandbox.journal()[asked_before:]
    assert {entry["path"] for entry in new} <= {"/api/v1/vaults"}


@pytest.mark.parametrize("how", ["unknown", "expired"])
def test_the_field_is_empty_again_and_the_key_is_in_no_answer(admin, made_by_hand, how):
    key = awaited(admin, scopes=["read:users"])
    plain = "sbx_" + uuid.uuid4().hex
    if how == "expired":
        plain = made_by_hand(["read:users"], expires_at=timezone.now() - timedelta(minutes=1))
    response = paste(admin, key, plain)
    assert "Cerby does not accept this key" in reason_beside(response, FIELD)
    assert attribute(the(response, id=FIELD), "value") is None
    assert plain not in response.content.decode()
    assert response["Cache-Control"] == "no-store, private, no-transform"


def test_a_key_that_the_inventory_has_is_refused_by_name(admin, cast, made_by_hand, settings):
    plain = made_by_hand(["read:users"])
    for pepper_id in settings.PORTAL_PEPPERS:  # also a key that was fingerprinted with an older pepper
        print_ = fingerprint.compute(plain, peppers=settings.PORTAL_PEPPERS, pepper_id=pepper_id)
        known = a_key(cast.owner, pepper_id=print_.pepper_id, fingerprint=print_.digest, name="Payroll")
        key = awaited(admin, scopes=["read:users"])
        reason = reason_beside(paste(admin, key, plain), FIELD)
        assert "already in the inventory, as “Payroll”, owned by Owner Person" in reason
        known.delete()


def test_a_double_click_takes_the_key_in_once(admin, made_by_hand):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    assert [paste(admin, key, plain).status_code for _ in range(2)] == [302, 302]
    assert len(events(type="key:paste")) == 1
    other = paste(admin, key, made_by_hand(["read:users"]))
    assert other.status_code == 409


def test_cerby_being_down_keeps_the_request_waiting(admin, made_by_hand, settings):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    response = paste(admin, key, plain)
    assert response.status_code == 503
    assert "Nothing was kept" in text(response)
    assert now(key).state == State.AWAITED


def test_an_expired_request_accepts_no_key(admin, made_by_hand):
    key = awaited(admin, scopes=["read:users"])
    past = timezone.now() - timedelta(minutes=1)
    ApiKey.objects.filter(pk=key.pk).update(created_at=past - timedelta(days=1), expires_at=past)
    response = paste(admin, key, made_by_hand(["read:users"]))
    assert "has passed" in reason_beside(response, FIELD)


def test_only_the_requester_may_paste_the_key(browser_of, admin, made_by_hand):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    assert paste(browser_of("owner"), key, plain).status_code == 403
    assert paste(browser_of("user"), key, plain).status_code == 404
    assert browser_of("owner").get(f"/keys/{key.pk}/paste/").status_code == 403
    assert now(key).state == State.AWAITED


def test_who_may_no_longer_generate_may_not_paste(admin, cast, sandbox, made_by_hand):
    key, plain = awaited(admin, scopes=["read:users"]), made_by_hand(["read:users"])
    cast.admin.role = 30
    cast.admin.save()
    assert paste(admin, key, plain).status_code == 403


def test_the_page_of_a_closed_request(admin, cast):
    key = awaited(admin)
    admin.post(f"/keys/{key.pk}/delete/")
    page = admin.get(f"/keys/{key.pk}/paste/")
    assert "has ended" in text(page)
    assert elements(page, "input", id=FIELD) == []
    assert "If you made the key in Cerby, delete it there" in messages_of(page)


def test_in_direct_mode_the_wizard_does_not_ask_for_a_paste(admin, settings):
    settings.CERBY_ISSUE_MODE = "direct"
    sent = answers()
    assert admin.post(GENERATE, sent)["Location"] == f"/keys/{sent['id']}/store/"
    assert ApiKey.objects.get(pk=sent["id"]).state == State.READY


def test_a_pasted_key_is_matched_and_deleted_if_cerby_lists_keys(admin, made_by_hand, sandbox, settings):
    key = awaited(admin, name="CI pipeline", scopes=["read:users"])
    plain = made_by_hand(["read:users"], name="CI pipeline")
    paste(admin, key, plain)
    settings.CERBY_ISSUE_MODE = "direct"
    admin.post(f"/keys/{key.pk}/delete/")
    assert now(key).state == State.REVOKED
    assert not sandbox.accepts(plain)
