"""Test the page Store your API key: one view, one claim, and three ways to confirm storage."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag
from django.utils import timezone

from keys.models import RevealGrant
from keys.rules.lifecycle import State
from tests import cast as people
from tests.pages.helpers import attribute, elements, events, messages_of, names, text, the, within, words
from tests.pages.journey import JSON, Tab, claim, generate, save, viewed
from tests.support.cases import in_one_test


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def store(key) -> str:
    return f"/keys/{key.pk}/store/"


def test_the_page_explains_the_one_view_and_the_actions(admin, workspace):
    key = generate(admin, name="Payroll")
    response = admin.get(store(key))
    assert words(the(response, "h1")) == "Store your API key"
    assert "the only time you can view or copy" in text(response)
    buttons = [words(button) for button in elements(response, "button")]
    for label in ("Show", "Copy", "Save in Cerby", "Back", "Done"):
        assert label in buttons, label
    assert buttons.count("Save in Cerby") == 2, "one opens the dialog, one confirms in it"
    assert words(the(response, id="save-title")) == "Save your API key in Cerby?"
    assert "I have stored the key in a safe place" in [words(label) for label in elements(response, "label")]
    assert attribute(the(response, id="done"), "disabled") is None
    assert ("disabled", None) in the(response, id="done").attributes
    link = the(response, "a", id="delete-link")
    assert words(link) == "Delete this key instead"
    assert attribute(link, "href") == f"/keys/{key.pk}/delete/"


def test_two_vaults_are_offered_and_one_is_not_worth_a_question(admin, workspace, sandbox):
    response = admin.get(store(generate(admin)))
    assert "Select vault" in [words(label) for label in elements(response, "label")]
    options = [words(option) for option in elements(response, "option")]
    assert options == ["Shared credentials", "Automation"]
    with sandbox.store.transaction() as db:
        db.execute("DELETE FROM records WHERE id = ?", [workspace.vaults[1]])
    response = admin.get(store(generate(admin)))
    assert "Select vault" not in [words(label) for label in elements(response, "label")]
    assert the(response, id="save-title")


def test_the_vault_is_chosen_before_the_question(admin, workspace):
    response = admin.get(store(generate(admin)))
    [row] = [found for found in elements(response, "div") if within(found, "button", id="save-open")][-1:]
    assert within(row, "select", id="vault"), "beside the button that opens the dialog"
    assert "Select vault" not in words(the(response, "dialog", id="save-dialog"))


@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        (["read:users"], "users"),
        (["read:items"], "accounts"),
        (["read:items:secrets"], "secrets"),
        (["read:integrations", "write:integrations"], "integrations"),
        (["read:activities"], ""),
    ],
)
def test_it_shows_the_header_and_a_command_that_the_scopes_allow(admin, sandbox, settings, scopes, path):
    response = admin.get(store(generate(admin, scopes=scopes)))
    assert "X-API-Key" in text(response)
    if not path:
        assert not elements(response, "code", id="example")
        return
    command = words(the(response, "code", id="example"))
    assert command == f'curl -H "X-API-Key: $API_KEY" {settings.CERBY_BASE_URL}/api/v1/{path}'
    with_suffix = settings.CERBY_BASE_URL + "/api/v1/"
    settings.CERBY_BASE_URL = with_suffix
    assert words(the(admin.get(store(generate(admin, scopes=scopes))), "code", id="example")) == command


def test_the_page_sends_the_time_at_which_it_was_read(admin):
    timer = the(admin.get(store(generate(admin))), id="time-left")
    now, expires = (
        datetime.fromisoformat(str(attribute(timer, name))) for name in ("data-now", "data-expires")
    )
    assert timedelta(minutes=14, seconds=50) < expires - now <= timedelta(minutes=15)
    assert abs(timezone.now() - now) < timedelta(seconds=10)


def test_get_never_claims(admin):
    tab = Tab()
    key = generate(admin, tab)
    for _ in range(3):
        assert admin.get(store(key)).status_code == 200
        admin.head(store(key))
    assert RevealGrant.objects.get(key=key).state == "ready"
    assert claim(admin, key).status_code == 200


@pytest.mark.parametrize("verb", ["page", "claim"])
def test_responses_are_not_cached_and_run_no_foreign_scripts(admin, verb):
    key = generate(admin)
    response = admin.get(store(key)) if verb == "page" else claim(admin, key)
    assert response["Cache-Control"] == "no-store, private, no-transform"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Referrer-Policy"] in {"same-origin", "no-referrer"}
    policy = response["Content-Security-Policy"]
    assert "trusted-types 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "Content-Encoding" not in response


def test_htmx_is_not_on_the_page(admin):
    response = admin.get(store(generate(admin)))
    scripts = [attribute(script, "src") or "" for script in elements(response, "script")]
    assert scripts
    assert not any("htmx" in script or "hx-" in script for script in scripts)


def test_only_the_tab_can_open_the_claimed_key(admin):
    tab = Tab()
    key = generate(admin, tab)
    response = claim(admin, key)
    assert response.status_code == 200
    sealed = response.json()["sealed"]
    secret = tab.open(sealed, key_id=key.pk, user_id=key.owner_id)
    assert secret.startswith("sbx_")
    for other in (lambda: Tab().open(sealed, key_id=key.pk, user_id=key.owner_id),
                  lambda: tab.open(sealed, key_id=key.pk, user_id=key.owner_id + 1)):  # fmt: skip
        with pytest.raises(InvalidTag):
            other()
    key.refresh_from_db()
    assert key.state == State.CLAIMED


def test_a_second_claim_is_refused_and_recorded(admin):
    key = generate(admin)
    claim(admin, key)
    again = claim(admin, key)
    assert again.status_code == 410
    assert "already been viewed" in again.json()["sentence"]
    assert "sealed" not in again.json()
    assert [event.outcome for event in events(type="key:reveal")] == ["done", "refused"]


def test_a_second_claim_from_another_session_is_reported(admin, cast, caplog):
    key = generate(admin)
    claim(admin, key)
    assert claim(people.signed_in(cast.admin), key).status_code == 410
    assert "another session" in events(type="key:reveal")[-1].reason
    assert "second_view_from_another_session" in caplog.text


@pytest.mark.parametrize("other", ["owner", "super_admin", "user"])
def test_only_the_owner_may_claim(admin, browser_of, other):
    tab = Tab()
    key = generate(admin, tab)
    assert claim(browser_of(other), key).status_code in {403, 404}
    assert browser_of(other).get(store(key)).status_code in {403, 404}
    assert events(outcome="refused")[-1].key_id == key.pk
    assert claim(admin, key).status_code == 200


def test_after_fifteen_minutes_it_is_gone(admin):
    key = generate(admin)
    RevealGrant.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = claim(admin, key)
    assert response.status_code == 410
    assert "over" in response.json()["sentence"]
    assert events(type="key:reveal")[-1].outcome == "refused"
    assert "time to view this key is over" in text(admin.get(store(key)))


def test_the_claim_needs_a_fresh_sign_in(admin, browser_of):
    key = generate(admin)
    response = claim(browser_of("admin", seconds_ago=301), key)
    assert response.status_code == 401
    assert response.json()["reauthenticate"].endswith(f"?next=%2Fkeys%2F{key.pk}%2Fstore%2F")
    assert claim(admin, key).status_code == 200


def test_save_in_cerby_puts_it_in_the_vault_and_forgets_it(admin, workspace, sandbox):
    key, secret = viewed(admin, name="Payroll")
    response = save(admin, key, secret, workspace.vaults[1])
    assert response.json() == {"next": "/keys/"}
    [kept] = [kept for kept in sandbox.secrets() if kept["title"] == "Payroll"]
    assert kept["vault_id"] == workspace.vaults[1]
    assert kept["body_sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    key.refresh_from_db()
    assert (key.state, key.stored_in) == (State.HELD, "Automation")
    table = admin.get("/keys/")
    assert "saved in Cerby, in the vault “Automation”" in messages_of(table)
    assert names(table)[0] == "Payroll"
    [event] = events(type="key:store")
    assert event.details == {
        "how": "saved in Cerby",
        "vault": "Automation",
        "secret_id": kept["id"],
        "shared": "yes",
    }


def test_with_one_vault_no_id_is_needed(admin, workspace, sandbox):
    with sandbox.store.transaction() as db:
        db.execute("DELETE FROM records WHERE id = ?", [workspace.vaults[1]])
    key, secret = viewed(admin)
    assert save(admin, key, secret).status_code == 200
    assert sandbox.secrets()[0]["vault_id"] == workspace.vaults[0]


@pytest.mark.parametrize("wrong", ["", "sbx_something_else", "x" * 100_000, None, 7, "\ud800"])
def test_another_secret_is_not_saved(admin, workspace, sandbox, wrong):
    key, _ = viewed(admin)
    response = save(admin, key, wrong, workspace.vaults[0])
    assert response.status_code == 422
    assert "not this key" in response.json()["sentence"]
    assert sandbox.secrets() == []
    key.refresh_from_db()
    assert key.state == State.CLAIMED


@pytest.mark.parametrize("vault", [None, "nonsense", 7, "00000000-0000-0000-0000-000000000000"])
def test_a_vault_that_is_not_there(admin, workspace, sandbox, vault):
    key, secret = viewed(admin)
    response = save(admin, key, secret, vault)
    assert response.status_code == 422
    assert secret not in response.content.decode()
    assert sandbox.secrets() == []
    assert save(admin, key, secret, workspace.vaults[0]).status_code == 200


@in_one_test("body", [b"", b"[]", b"7", b"{", b"\xff", b"{}", b"[" * 100_000, b'{"secret": "x"}'])
def test_a_body_that_cannot_be_read(admin, body):
    key, _ = viewed(admin)
    response = admin.generic("POST", f"{store(key)}save/", body, content_type=JSON, headers={"Accept": JSON})
    assert response.status_code == 422
    assert json.loads(response.content)["sentence"]


def test_saving_twice_is_a_conflict(admin, workspace, sandbox):
    key, secret = viewed(admin)
    save(admin, key, secret, workspace.vaults[0])
    assert save(admin, key, secret, workspace.vaults[0]).status_code == 409
    assert len(sandbox.secrets()) == 1
