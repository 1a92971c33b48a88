"""Test a passkey with Chromium's virtual authenticator: add it, sign in with it, confirm with it, remove it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sessions, steps
from tests.browser.test_accessibility import look_over

pytestmark = pytest.mark.browser

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in_a_device(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


def test_a_passkey_is_added_used_and_removed(portal, open_browser):
    page = open_browser("guest", once=True, permissions=["clipboard-read", "clipboard-write"])
    plug_in_a_device(page)
    page.goto("/account/second-factor/")
    look_over(page)
    page.get_by_role("link", name="Add a passkey").click()
    look_over(page)
    page.get_by_label("Name").fill("Test device")
    page.get_by_role("button", name="Add a passkey").press("Enter")
    expect(page.get_by_role("heading", name="Write these codes down now")).to_be_visible()
    look_over(page)
    codes = page.locator(".codes code").all_inner_texts()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    saved = download.value.path().read_text()
    assert "guest@contenzilla.example" in saved
    assert saved.splitlines()[-10:] == codes
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="All codes are copied")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Write these codes down now")).to_have_count(0)
    page.goto("/account/")
    expect(page.get_by_text("Test device")).to_be_visible()
    look_over(page)

    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/account/")
    look_over(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()

    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/account/")
    steps.fill_in_sign_in(page, "guest")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    look_over(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()

    sessions.age(portal, page, seconds=600)
    page.get_by_role("link", name="Add an authenticator app").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    look_over(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("img", name="The secret, to scan")).to_be_visible()
    look_over(page)

    page.goto("/account/")
    page.get_by_role("link", name="Remove Test device").click()
    look_over(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Your password alone signs you in.")).to_be_visible()
