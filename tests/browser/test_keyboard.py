"""Test the whole job by keyboard: every control is reachable, and the focus is visible and never lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps

pytestmark = pytest.mark.browser

# The focused element and its accessible name, as far as these pages define one.
FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.labels?.[0] ?? document.getElementById(at.getAttribute("aria-labelledby")) ?? at;
  return { tag: at.tagName.toLowerCase(), name: (at.getAttribute("aria-label") ?? label.innerText ?? "").trim() };
}"""
OUTLINED = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"


def tab_to(page: Page, name: str, *, key: str = "Tab", at_most: int = 60, exact: bool = False) -> None:
    """Press Tab until a control with this name has the focus. Every control on the way must show its focus."""
    for _ in range(at_most):
        page.keyboard.press(key)
        assert page.evaluate(OUTLINED), page.evaluate(FOCUSED)
        focused = page.evaluate(FOCUSED)["name"]
        if focused == name or (not exact and focused.startswith(name)):
            return
    pytest.fail(f"{at_most} times Tab did not lead to “{name}”.")


def _generate(page: Page, name: str) -> None:
    tab_to(page, "Generate API key")
    page.keyboard.press("Enter")
    steps.wait_for_step_1(page)
    tab_to(page, "API key name")
    page.keyboard.type(name)
    tab_to(page, "Expiration time")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Expiration time")).to_have_value("5d")
    tab_to(page, "Purpose")
    page.keyboard.type("To see that no mouse is needed.")
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    steps.wait_for_step_2(page)
    expect(page.get_by_role("heading", name="Select scopes")).to_be_focused()
    tab_to(page, "Read users")
    page.keyboard.press("Space")
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    steps.wait_for_store_page(page)


def _show_and_save(page: Page) -> None:
    tab_to(page, "Show")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Hide")).to_be_focused()
    tab_to(page, "Select vault")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Save in Cerby")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Save your API key in Cerby?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Save in Cerby")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    tab_to(page, "Save in Cerby")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys/")
    expect(steps.message(page, "in the vault “Automation”")).to_be_visible()


def _switch_a_scope_on(page: Page) -> None:
    tab_to(page, "Read secrets")
    page.keyboard.press("Space")
    expect(steps.message(page, "“Read secrets” is on for this key.")).to_be_visible()
    expect(page.get_by_role("switch", name="Read secrets")).to_be_focused()


def _delete(page: Page) -> None:
    tab_to(page, "Delete API key", key="Shift+Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete API key?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Delete API key")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    tab_to(page, "Delete API key", at_most=3)
    page.keyboard.press("Enter")
    expect(steps.message(page, "is removed. Cerby has confirmed")).to_be_visible()


def test_the_whole_job(open_browser):
    name = steps.new_name("By keyboard")
    page = open_browser("owner")
    page.goto("/keys/")
    _generate(page, name)
    _show_and_save(page)
    tab_to(page, name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys/*-*/")
    _switch_a_scope_on(page)
    _delete(page)


def test_the_first_tab_skips_to_the_content(open_browser):
    page = open_browser("owner")
    page.goto("/keys/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["name"] == "As of a date"


def test_the_menu_of_a_row(open_browser):
    page = open_browser("owner")
    page.goto("/keys/?q=okta+user+sync")
    menu = page.get_by_label("More options").first
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="API key settings")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="API key settings")).to_be_hidden()
    expect(menu).to_be_focused()


def test_the_focus_stays_on_the_header_after_sorting(open_browser):
    page = open_browser("owner")
    page.goto("/keys/")
    sort = page.get_by_role("columnheader", name="Expires").get_by_role("link")
    for query in ("sort=expires", "sort=-expires"):
        sort.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{query}")
        expect(sort).to_be_focused()


def test_the_focus_goes_to_the_first_thing_that_is_wrong_and_back_to_the_start_of_a_step(
    open_browser, complaints
):
    complaints.expect_status(422)
    page = open_browser("owner")
    steps.open_wizard(page)
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key name")).to_be_focused()
    steps.fill_in_details(page, steps.new_name())
    steps.go_to_step_2(page)
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    expect(steps.scope(page, "Read activities")).to_be_focused()
    tab_to(page, "Back")
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key name")).to_be_focused()
