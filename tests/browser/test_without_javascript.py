"""Test that everything but the wizard works without JavaScript, and that the wizard says so."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import steps

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_browser) -> Page:
    return open_browser("owner", java_script_enabled=False)


def _go(page: Page, control: Locator) -> None:
    """Click a link or button, and wait for the next page."""
    with page.expect_navigation():
        control.click()


def _names(page: Page) -> list[str]:
    return page.locator("tbody th[scope=row]").all_inner_texts()


def test_signing_in_leads_to_the_requested_page(open_browser):
    page = open_browser(java_script_enabled=False)
    page.goto("/keys/?q=okta")
    steps.fill_in_sign_in(page, "owner")
    page.wait_for_url("**/keys/?q=okta")
    assert "Okta user sync" in _names(page)


def test_search_filter_and_sort(page):
    page.goto("/keys/")
    page.get_by_label("Search", exact=True).fill("okta")
    _go(page, page.get_by_role("button", name="Apply"))
    assert set(_names(page)) == {"Okta user sync", "Okta group mapping", "Duplicate of Okta sync"}
    page.get_by_role("combobox", name="Status").select_option("Removed")
    _go(page, page.get_by_role("button", name="Apply"))
    assert _names(page) == ["Duplicate of Okta sync"]
    page.get_by_role("combobox", name="Status").select_option("All keys")
    _go(page, page.get_by_role("button", name="Apply"))
    _go(page, page.get_by_role("columnheader", name="Name").get_by_role("link"))
    assert _names(page) == ["Duplicate of Okta sync", "Okta group mapping", "Okta user sync"]
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    _go(page, page.get_by_role("columnheader", name="Name").get_by_role("link"))
    assert _names(page) == ["Okta user sync", "Okta group mapping", "Duplicate of Okta sync"]
    _go(page, page.get_by_role("link", name="Clear"))
    assert len(_names(page)) == 50


def test_paging_there_and_back(page):
    page.goto("/keys/")
    first = _names(page)
    _go(page, page.get_by_role("link", name="Next"))
    second = _names(page)
    assert second
    assert not set(first) & set(second)
    _go(page, page.get_by_role("link", name="Previous"))
    assert _names(page) == first


def test_the_activity_is_filtered(page):
    page.goto("/activity/")
    page.get_by_role("group", name="What").get_by_role("button").click()
    page.get_by_label("Person added", exact=True).check()
    page.get_by_label("Who").fill("")
    _go(page, page.get_by_role("button", name="Apply"))
    assert set(page.locator("td[data-label=What]").all_inner_texts()) == {"Person added"}


def test_scopes_are_switched_and_the_key_is_deleted(open_browser, page):
    name = steps.new_name("No script")
    maker = open_browser("owner")
    key_id = steps.generate(maker, name, scopes=("Read users", "Read items"))
    page.goto(f"/keys/{key_id}/")
    switch = page.get_by_role("switch", name="Read items")
    switch.click()
    expect(page.get_by_text("“Read items” is off for this key.")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "false")
    page.get_by_role("link", name="Delete API key").click()
    page.wait_for_url("**/delete/")
    expect(page.get_by_role("heading", name="Delete API key?")).to_be_visible()
    page.get_by_role("button", name="Delete API key").click()
    expect(page.get_by_text(f"“{name}” is removed.")).to_be_visible()


def test_the_wizard_says_that_it_needs_javascript(page):
    page.goto("/keys/new/")
    notice = page.locator("noscript .callout")  # Playwright does not find text in noscript
    expect(notice).to_be_visible()
    assert "Generating a key needs JavaScript" in notice.inner_text()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
