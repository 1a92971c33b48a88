"""Test the main job: generate, store, use, re-scope and delete a key, and read its activity."""

from __future__ import annotations

import hashlib
import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.portal_process import Portal

pytestmark = pytest.mark.browser

VAULT = "Automation"  # the second of two vaults


def _ask_cerby(portal: Portal, key: str, what: str = "users") -> int:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{portal.sandbox_url}/api/v1/{what}", headers={"X-API-Key": key}, timeout=20)
        return answer.status_code


def _copied(page: Page) -> str:
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    return page.evaluate("() => navigator.clipboard.readText()")


def _turn_on(page: Page, scope: str) -> None:
    page.get_by_role("switch", name=scope).click()
    expect(page.get_by_role("switch", name=scope)).to_have_attribute("aria-checked", "true")
    expect(steps.message(page, f"“{scope}” is on for this key.")).to_be_visible()


def _delete(page: Page) -> None:
    page.get_by_role("link", name="Delete API key").click()
    dialog = page.get_by_role("dialog", name="Delete API key?")
    dialog.get_by_role("button", name="Delete API key").click()
    expect(steps.message(page, "is removed. Cerby has confirmed that it no longer works.")).to_be_visible()


@pytest.mark.parametrize(
    ("who", "way"),
    [
        ("super-admin", "copy and tick"),
        ("admin", "save in Cerby"),
        pytest.param("owner", "save in Cerby", marks=pytest.mark.nightly),
    ],
)
def test_the_whole_job(portal, open_browser, who, way):
    page = open_browser(who, permissions=["clipboard-read", "clipboard-write"])
    name = steps.new_name()
    page.goto("/keys/")
    page.get_by_role("link", name="Generate API key").click()
    steps.wait_for_step_1(page)
    steps.fill_in_details(page, name)
    steps.go_to_step_2(page)
    steps.choose_scopes(page, "Read users")
    page.get_by_role("button", name="Next").click()
    steps.wait_for_store_page(page)
    if way == "save in Cerby":
        key = steps.show(page)
        steps.save_in_cerby(page, vault=VAULT)
        saved = f"The API key is saved in Cerby, in the vault “{VAULT}”, and shared with you as an owner of the secret."
        expect(steps.message(page, saved)).to_be_visible()
        kept = portal.sandbox_rows("SELECT body_sha256 FROM secrets WHERE title = ?", name)
        assert kept == [(hashlib.sha256(key.encode()).hexdigest(),)]
        how, storage = f"vault: {VAULT}", f"Saved in Cerby, in “{VAULT}”"
    else:
        key = _copied(page)
        expect(page.get_by_role("button", name="Done")).to_be_disabled()
        steps.tick_and_finish(page)
        expect(steps.message(page, "you have confirmed that it is stored")).to_be_visible()
        how, storage = "stored: confirmed by its owner", "Confirmed by its owner"

    newest = page.locator("tbody tr").first
    expect(newest).to_contain_text(name)
    expect(newest).to_contain_text(steps.email_of(who))
    expect(newest.locator("td[data-label=Status]")).to_have_text("Active")
    assert _ask_cerby(portal, key) == 200
    assert _ask_cerby(portal, key, "vaults") == 401

    newest.get_by_role("link", name=name).click()
    expect(page.locator("dl.details").first).to_contain_text(storage)
    _turn_on(page, "Read vaults")
    assert _ask_cerby(portal, key, "vaults") == 200

    _delete(page)
    expect(page.get_by_role("heading", level=1, name="API keys")).to_be_visible()
    assert _ask_cerby(portal, key) == 401
    page.goto("/keys/")
    expect(steps.row(page, name)).to_contain_text("Removed")

    page.goto("/activity/")
    story = page.get_by_role("row").filter(has_text=name)
    assert story.locator("td[data-label=What]").all_inner_texts() == [
        "API key deleted",
        "Scopes changed",
        "API key requested, generated, viewed and stored",
    ]
    generated = story.filter(has_text="API key requested")
    generated.locator("summary").click()
    assert generated.locator("li > a").all_inner_texts() == [
        "API key stored",
        *(["Saving in Cerby started"] if way == "save in Cerby" else []),
        "API key viewed",
        "API key generated",
        "Asked Cerby for the key",
        "API key requested",
    ]
    assert {cell.split("\n")[-1] for cell in story.locator("td[data-label=From]").all_inner_texts()} == {
        "127.0.0.1"
    }
    assert set(story.locator("td[data-label=Outcome]").all_inner_texts()) == {"Done"}
    expect(story.filter(has_text="API key stored")).to_contain_text(how)
    expect(story.filter(has_text="Scopes changed")).to_contain_text(
        re.compile(r"scopes\s*(added: )?Read vaults")
    )


@pytest.mark.parametrize(
    ("who", "role"), [("user", "User"), ("login-only", "Login-Only"), ("guest", "Guest User")]
)
def test_other_roles_are_told_who_may_and_whom_to_ask(open_browser, complaints, who, role):
    complaints.expect_status(403)
    page = open_browser(who)
    for address in ("/keys/import/", "/activity/", "/settings/"):
        assert page.goto(address).status == 403
        expect(page.get_by_role("heading", name="You may not do this")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(f"Your role, {role}, may not")
        expect(page.get_by_role("main")).to_contain_text("Allowed roles: Owner, Super Admin, Admin.")
        expect(page.get_by_role("link", name=steps.email_of("owner"))).to_be_visible()
        expect(page.get_by_role("link", name=steps.email_of("super-admin"))).to_be_visible()


def test_somebody_elses_key_is_not_found(portal, open_browser, complaints):
    complaints.expect_status(404)
    [(key_id,)] = portal.rows("SELECT id FROM keys_apikey WHERE name = 'SIEM activity export'")
    page = open_browser("user")
    for path in ("", "delete/", "store/"):
        assert page.goto(f"/keys/{_dashed(key_id)}/{path}").status == 404


def _dashed(key_id: str) -> str:
    return f"{key_id[:8]}-{key_id[8:12]}-{key_id[12:16]}-{key_id[16:20]}-{key_id[20:]}"
