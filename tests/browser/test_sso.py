"""Sign in and confirm an identity with a real provider (oidc-provider), in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.portal_process import Portal
from tests.support import own_database

pytestmark = pytest.mark.browser


def choose(page: Page, name: str) -> None:
    """Answer the provider's question who one is."""
    page.get_by_role("button", name=f" {name}@contenzilla.example").click()


@contextmanager
def disabled(portal: Portal, name: str) -> Iterator[None]:
    """Disable a person in Cerby for a while."""
    set_status = "UPDATE people SET status = ? WHERE email = ?"
    workspace = portal.data / "sandbox" / "sandbox.sqlite3"
    email = f"{name}@contenzilla.example"
    own_database.write(workspace, set_status, "disabled", email, patience=20)
    yield
    own_database.write(workspace, set_status, "live", email, patience=20)


def test_a_person_signs_in_is_linked_confirms_and_signs_out(portal, open_browser, sign_ins, complaints):
    complaints.expect_status(403)
    page = open_browser(once=True)
    with disabled(portal, "login-only"):
        for name, why in (("daniel.kim", "does not know you"), ("login-only", "Not a live member")):
            page.goto("/keys/")
            page.get_by_role("button", name="Sign in with SSO").click()
            choose(page, name)
            expect(page.get_by_role("alert")).to_contain_text(why)
            page.context.clear_cookies()
    sign_ins.forget("login-only")
    page.goto("/keys/new/")
    page.get_by_role("button", name="Sign in with SSO").click()
    choose(page, "super-admin")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    expect(page.get_by_text("Super Admin", exact=True)).to_be_visible()
    [(subject,)] = portal.rows("SELECT subject FROM keys_ssolink")
    assert subject == "demo-super-admin"

    page.get_by_role("button", name="Confirm with SSO").click()
    choose(page, "owner")  # the provider's session is alive, and it asks all the same
    expect(page.get_by_role("alert")).to_contain_text("Somebody else signed in")
    page.get_by_role("button", name="Confirm with SSO").click()
    choose(page, "super-admin")
    expect(page).to_have_url(re.compile("/keys/new/$"))
    expect(page.get_by_role("heading", name="Generate API key")).to_be_visible()

    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("main")).to_contain_text("You are still signed in at 127.0.0.1")
    page.goto("/keys/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
