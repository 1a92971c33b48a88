"""Test that the wizard loses no input and makes no key twice after double clicks, reloads or expired sessions."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sessions, steps

pytestmark = pytest.mark.browser

PURPOSE = "Reads the users who left, for the yearly review."
SCOPES = ("Read users", "Write automated jobs")


@pytest.fixture
def name() -> str:
    return steps.new_name("Wizard")


def _fill_in_step_1(page: Page, name: str) -> None:
    steps.open_wizard(page)
    steps.fill_in_details(page, name, purpose=PURPOSE)


def _fill_in_both_steps(page: Page, name: str) -> None:
    _fill_in_step_1(page, name)
    steps.go_to_step_2(page)
    steps.choose_scopes(page, *SCOPES)


def _expect_step_1(page: Page, name: str) -> None:
    steps.wait_for_step_1(page)
    expect(page.get_by_label("API key name")).to_have_value(name)
    expect(page.get_by_label("Expiration time")).to_have_value("5d")
    expect(page.get_by_label("Purpose")).to_have_value(PURPOSE)


def _expect_step_2(page: Page, name: str) -> None:
    steps.wait_for_step_2(page)
    expect(page.locator("#wizard")).to_contain_text(name)
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(len(SCOPES))
    for label in SCOPES:
        expect(steps.scope(page, label)).to_be_checked()


def _finish(portal, page: Page, name: str) -> None:
    """Finish from step 2, and expect one key with all the input."""
    page.get_by_role("button", name="Next").click()
    steps.wait_for_store_page(page)
    made = portal.rows("SELECT purpose, scopes FROM keys_apikey WHERE name = ?", name)
    assert made == [(PURPOSE, '["read:users", "write:automations"]')]


def test_a_double_click_on_next_makes_one_key(portal, open_browser, name):
    page = open_browser("owner")
    _fill_in_step_1(page, name)
    page.get_by_role("button", name="Next").dblclick()
    steps.wait_for_step_2(page)
    steps.choose_scopes(page, *SCOPES)
    page.get_by_role("button", name="Next").dblclick()
    steps.wait_for_store_page(page)
    assert portal.rows("SELECT count(*) FROM keys_apikey WHERE name = ?", name) == [(1,)]
    assert portal.sandbox_rows("SELECT count(*) FROM api_keys WHERE name = ?", name) == [(1,)]


def test_back_keeps_everything(portal, open_browser, name):
    page = open_browser("owner")
    _fill_in_both_steps(page, name)
    page.get_by_role("button", name="Back").click()
    _expect_step_1(page, name)
    page.get_by_role("button", name="Next").click()
    _expect_step_2(page, name)
    _finish(portal, page, name)


def test_a_reload_loses_no_input(portal, open_browser, name):
    page = open_browser("owner")
    _fill_in_step_1(page, name)
    page.reload()
    _expect_step_1(page, name)
    steps.go_to_step_2(page)
    steps.choose_scopes(page, *SCOPES)
    page.reload()
    _expect_step_2(page, name)
    _finish(portal, page, name)


def test_the_next_key_starts_blank(open_browser, name):
    page = open_browser("owner")
    _fill_in_both_steps(page, name)
    page.get_by_role("button", name="Next").click()
    steps.wait_for_store_page(page)
    steps.open_wizard(page)
    expect(page.get_by_label("API key name")).to_have_value("")
    expect(page.get_by_label("Purpose")).to_have_value("")


def test_start_over_empties_the_form(open_browser, name):
    page = open_browser("owner")
    _fill_in_both_steps(page, name)
    page.get_by_role("link", name="Start over").click()
    steps.wait_for_step_1(page)
    expect(page.get_by_label("API key name")).to_have_value("")


def test_two_tabs_are_two_wizards(portal, open_browser):
    first = open_browser("owner")
    names = [steps.new_name("First tab"), steps.new_name("Second tab")]
    _fill_in_both_steps(first, names[0])
    second = first.context.new_page()
    _fill_in_both_steps(second, names[1])
    first.bring_to_front()  # Chromium renders a hidden tab once a second
    first.reload()
    _expect_step_2(first, names[0])
    second.bring_to_front()
    _finish(portal, second, names[1])
    first.bring_to_front()
    _finish(portal, first, names[0])
    assert steps.show(first) != steps.show(second)


def test_a_duplicated_tab_starts_its_own_request(portal, open_browser):
    first = open_browser("owner")
    names = [steps.new_name("Original"), steps.new_name("Duplicate")]
    _fill_in_both_steps(first, names[0])
    with first.context.expect_page() as opened:
        first.evaluate("window.open(location.href)")  # copies the session storage, as Duplicate Tab does
    second = opened.value
    _expect_step_2(second, names[0])
    second.get_by_role("button", name="Back").click()
    steps.wait_for_step_1(second)
    second.get_by_label("API key name").fill(names[1])
    steps.go_to_step_2(second)
    _finish(portal, second, names[1])
    first.bring_to_front()
    _finish(portal, first, names[0])
    expect(first.get_by_role("heading", name=names[0])).to_be_visible()
    assert steps.show(first) != steps.show(second)


UNKNOWN_ZONE = """
    const known = Intl.DateTimeFormat.prototype.resolvedOptions;
    Intl.DateTimeFormat.prototype.resolvedOptions = function () { return { ...known.call(this), timeZone: "Etc/Unknown" }; };
"""


def test_a_custom_expiry_works_in_a_browser_without_a_time_zone(open_browser, name):
    page = open_browser("owner", once=True)
    page.context.clear_cookies(name=re.compile("tz$"))
    page.add_init_script(UNKNOWN_ZONE)
    steps.open_wizard(page)
    steps.fill_in_details(page, name)
    page.get_by_label("Expiration time").select_option("Custom")
    expect(page.get_by_text("The time zone is UTC.")).to_be_visible()
    day = date.today() + timedelta(days=3)  # noqa: DTZ011 - any day in the future
    page.get_by_label("Date", exact=True).fill(day.isoformat())
    page.get_by_label("Time", exact=True).fill("14:05")
    steps.go_to_step_2(page)
    expect(page.locator("#wizard")).to_contain_text("14:05 (UTC)")


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_an_expired_session_loses_no_input(portal, open_browser, step, name):
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    _fill_in_step_1(page, name)
    if step == 2:
        steps.go_to_step_2(page)
        steps.choose_scopes(page, *SCOPES)
    sessions.end(page)
    page.get_by_role("button", name="Next").click()
    page.wait_for_url("**/accounts/login/**")
    steps.fill_in_sign_in(page, "admin")
    if step == 1:
        _expect_step_1(page, name)
        steps.go_to_step_2(page)
        steps.choose_scopes(page, *SCOPES)
    _expect_step_2(page, name)
    _finish(portal, page, name)


def test_another_person_in_the_same_tab_does_not_see_the_draft(open_browser, name):
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    _fill_in_both_steps(page, name)
    sessions.end(page)
    page.get_by_role("button", name="Next").click()
    page.wait_for_url("**/accounts/login/**")
    steps.fill_in_sign_in(page, "super-admin")
    steps.wait_for_step_1(page)
    expect(page.get_by_label("API key name")).to_have_value("")
    expect(page.get_by_label("Purpose")).to_have_value("")
    assert name not in page.content() + page.evaluate("JSON.stringify({ ...sessionStorage })")


def test_an_old_sign_in_is_confirmed_in_between(portal, open_browser, name):
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    _fill_in_both_steps(page, name)
    sessions.age(portal, page, seconds=6 * 60)
    page.get_by_role("button", name="Next").click()
    steps.confirm_that_it_is_you(page)
    _expect_step_2(page, name)
    _finish(portal, page, name)


def test_a_custom_expiry_is_repeated_in_words(open_browser, name):
    page = open_browser("owner", timezone_id="America/New_York")
    _fill_in_step_1(page, name)
    expect(page.get_by_label("Date", exact=True)).to_be_hidden()
    page.get_by_label("Expiration time").select_option("Custom")
    date = page.evaluate("() => new Date(Date.now() + 40 * 864e5).toISOString().slice(0, 10)")
    page.get_by_label("Date", exact=True).fill(date)
    page.get_by_label("Time", exact=True).fill("14:05")
    steps.go_to_step_2(page)
    expect(page.locator("#wizard .lead")).to_contain_text("14:05 (America/New_York), in ")


def test_errors_are_shown_beside_their_fields(open_browser, complaints):
    complaints.expect_status(422)
    page = open_browser("owner")
    steps.open_wizard(page)
    page.get_by_label("API key name").fill("SIEM activity export")
    page.get_by_role("button", name="Next").click()
    said = re.compile("There is already a key called “SIEM activity export”")
    expect(page.get_by_label("API key name")).to_have_accessible_description(said)
    expect(page.get_by_label("Purpose")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("API key name")).to_be_focused()
