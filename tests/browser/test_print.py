"""Test that printed pages contain what the screen shows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.test_accessibility import NARROW, go_to_dashboard_with_charts

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_browser) -> Page:
    return open_browser("owner", viewport=NARROW)  # about the width of paper


def _style(of: Locator, name: str, part: str = "") -> str:
    return str(of.evaluate("(at, [part, name]) => getComputedStyle(at, part)[name]", [part, name]))


def test_the_scopes_of_a_key_are_in_words(page):
    page.goto("/keys/?q=okta+user+sync")
    page.get_by_role("link", name="Okta user sync").click()
    page.emulate_media(media="print")
    for scope, word in (("Read users", "On"), ("Delete teams", "Off")):
        assert _style(page.get_by_role("switch", name=scope), "content", "::before") == f'"{word}"'


@pytest.mark.parametrize("address", ["/keys/", "/activity/"])
def test_a_table_is_a_table_and_its_buttons_are_not_printed(page, address):
    page.goto(address)
    assert _style(page.get_by_role("table"), "display") == "block"
    page.emulate_media(media="print")
    assert _style(page.get_by_role("table"), "display") == "table"
    assert not page.get_by_role("button", name="Apply").is_visible()


def test_the_numbers_of_a_chart_are_printed_though_they_are_closed(page):
    go_to_dashboard_with_charts(page)
    numbers = page.get_by_role("table", name="Active keys that expire, by day")
    assert not numbers.is_visible()
    page.emulate_media(media="print")
    assert numbers.is_visible()


def test_the_exact_times_of_a_table_are_printed(page):
    page.goto("/keys/?q=okta+user+sync")
    created = page.locator("td[data-label='Created on'] time").first
    page.emulate_media(media="print")
    assert _style(created, "content", "::after") == f'"{created.get_attribute("title")}"'
