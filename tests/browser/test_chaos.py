"""With a fault in one of four requests to Cerby the portal stays usable: every step ends, and says how."""

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
def shaken_portal(tmp_path_factory):
    with Portal(tmp_path_factory.mktemp("chaos") / "data", CHAOS="0.25", CHAOS_SEED="11") as portal:
        yield portal


@pytest.fixture
def page(shaken_portal, open_browser, complaints):
    """Signed in. What Cerby did wrong may be told with these statuses; a 500 is the portal's own fault."""
    complaints.expect_status(409, 502, 503, 504)
    page = open_browser(once=True, base_url=shaken_portal.url)
    page.context.set_default_timeout(STEP_SECONDS * 1000)
    page.goto("/accounts/login/?next=/keys/")
    steps.fill_in_sign_in(page, "admin")
    page.wait_for_url("**/keys/")
    return page


def _generate(page: Page, name: str) -> None:
    """To the store page. A refusal is told, and what was entered stays."""
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


def _save(page: Page) -> None:
    """In Cerby, as soon as it takes it; until then the key stays in the tab."""
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
    """It turns when Cerby has confirmed it; where somebody has removed the key there meanwhile, it never does."""
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
    """Until Cerby confirms it, the page says that the key may still work."""
    for _ in range(ATTEMPTS):
        page.get_by_role("link", name="Delete API key").click()
        with page.expect_navigation(timeout=STEP_SECONDS * 1000):
            page.get_by_role("dialog").get_by_role("button", name="Delete API key").click()
        expect(page.locator("#messages")).to_have_text(SENTENCE)
        if page.get_by_text("Cerby has confirmed that it no longer works").count():
            return
        expect(page.get_by_text("Removal is not confirmed")).to_be_visible()
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
    else:  # the answer was lost, and that is what the page is about
        expect(page.locator(".callout").first).to_have_text(SENTENCE)
    for address in PAGES:
        assert page.goto(address).status == 200
    assert shaken_portal.sandbox_rows("SELECT 1 FROM journal WHERE fault IS NOT NULL LIMIT 1")
