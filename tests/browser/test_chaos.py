"""Test that the portal stays usable if one of four requests to Cerby fails."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.portal_process import Portal

pytestmark = pytest.mark.browser

STEP_SECONDS = 25
SENTENCE = re.compile(r"\w.{20,}\.")
PAGES = ("/", "/keys/", "/activity/", "/settings/", "/settings/health/", "/roles/")
ATTEMPTS = 12


@pytest.fixture(scope="module")
def shaken_portal(tmp_path_factory, migrated_sqlite):
    data = tmp_path_factory.mktemp("chaos") / "data"
    with Portal(data, migrated=migrated_sqlite, CHAOS="0.25", CHAOS_SEED="11") as portal:
        yield portal


@pytest.fixture
def page(shaken_portal, open_browser, complaints):
    """Sign in. Allow the statuses that report a fault of Cerby; a 500 would be a fault of the portal."""
    complaints.expect_status(409, 502, 503, 504)
    page = open_browser(once=True, base_url=shaken_portal.url)
    page.context.set_default_timeout(STEP_SECONDS * 1000)
    page.goto("/accounts/login/?next=/keys/")
    steps.fill_in_sign_in(page, "admin")
    page.wait_for_url("**/keys/")
    return page


def _generate(page: Page, name: str) -> None:
    """Go to the store page. If Cerby refuses, the page shows the reason and keeps the input."""
    steps.open_wizard(page)
    steps.fill_in_details(page, name)
    steps.go_to_step_2(page)
    steps.choose_scopes(page, "Read users")
    for _ in range(ATTEMPTS):
        with page.expect_response("**/generate/", timeout=STEP_SECONDS * 1000) as answer:
            page.get_by_role("button", name="Next").click()
        if answer.value.ok:
            page.wait_for_url("**/store/")
            return
        expect(page.get_by_role("alert").first).to_have_text(SENTENCE)
        expect(steps.scope(page, "Read users")).to_be_checked()
        expect(page.get_by_role("button", name="Next")).to_be_enabled()
    pytest.fail("no attempt was carried out")


def _load_with_vaults(page: Page) -> None:
    """Load the store page until Cerby has listed its vaults. Until then the page says why it offers none."""
    for _ in range(ATTEMPTS):
        if page.get_by_role("button", name="Save in Cerby").count():
            return
        expect(page.get_by_text("The portal cannot list your Cerby vaults right now")).to_be_visible()
        page.reload()
    pytest.fail("Cerby listed no vaults")


def _save(page: Page) -> None:
    """Save the key in Cerby, with repeats. Until then the key stays in the tab."""
    _load_with_vaults(page)
    key = steps.show(page)
    page.get_by_role("button", name="Save in Cerby").click()
    dialog = page.get_by_role("dialog", name="Save your API key in Cerby?")
    vault = dialog.get_by_label("Select vault")
    for _ in range(ATTEMPTS):
        if vault.count():
            vault.select_option(index=1)
        with page.expect_response("**/save/", timeout=STEP_SECONDS * 1000) as answer:
            dialog.get_by_role("button", name="Save in Cerby").click()
        if answer.value.ok:
            page.wait_for_url("**/keys/")
            return
        expect(dialog.get_by_role("alert")).to_have_text(SENTENCE)
    page.get_by_role("button", name="Back").click()
    expect(page.locator("#key-mask")).to_have_text(key)
    steps.tick_and_finish(page)


def _switch(page: Page) -> None:
    """Turn a switch. It changes only after Cerby has confirmed, and never if the key was removed meanwhile."""
    switch = page.get_by_role("switch", name="Read teams")
    for _ in range(ATTEMPTS):
        with page.expect_response("**/rescope/", timeout=STEP_SECONDS * 1000) as answer:
            switch.click()
        if answer.value.ok:
            expect(switch).to_have_attribute("aria-checked", "true")
            return
        expect(page.locator("#messages")).to_have_text(SENTENCE)
        expect(page.locator("#messages")).to_be_in_viewport()
        expect(switch).to_have_attribute("aria-checked", "false")


def _delete(page: Page) -> None:
    """Delete the key. Until Cerby confirms, the page says that the key may still work."""
    for _ in range(ATTEMPTS):
        page.get_by_role("link", name="Delete API key").click()
        with page.expect_navigation(timeout=STEP_SECONDS * 1000):
            page.get_by_role("dialog").get_by_role("button", name="Delete API key").click()
        expect(page.locator("#messages")).to_have_text(SENTENCE)
        if page.get_by_text("Cerby has confirmed that it no longer works").count():
            return
        expect(page.get_by_text("Deletion is not confirmed")).to_be_visible()
        page.reload()
    pytest.fail("no deletion was confirmed")


def test_the_whole_job_is_done_in_the_end(page, shaken_portal):
    _generate(page, steps.new_name("Shaken"))
    key_id = page.url.split("/")[-3]
    if page.get_by_role("button", name="Show").count():
        _save(page)
        page.goto(f"/keys/{key_id}/")
        _switch(page)
        _delete(page)
    else:  # Cerby's answer was lost, and the page says so
        expect(page.locator(".callout").first).to_have_text(SENTENCE)
    for address in PAGES:
        assert page.goto(address).status == 200
    assert shaken_portal.sandbox_rows("SELECT 1 FROM journal WHERE fault IS NOT NULL LIMIT 1")
