"""Test the page Store your API key: one view in one tab for two minutes, and a warning before a key is lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser import sessions, steps

pytestmark = pytest.mark.browser

VIEWED = "This key has been viewed"


@pytest.fixture
def name() -> str:
    return steps.new_name("Store")


def _expect_used_up(page: Page) -> None:
    expect(page.get_by_text(VIEWED, exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Show")).to_have_count(0)


@pytest.mark.parametrize("minutes", [20, pytest.param(-120, marks=pytest.mark.nightly)])
def test_the_time_that_is_left_follows_the_servers_clock(open_browser, name, minutes):
    page = open_browser("owner", once=True)
    page.add_init_script(f"const now = Date.now; Date.now = () => now() + {minutes * 60_000};")
    steps.generate(page, name)
    expect(page.locator("#time-left")).to_contain_text(re.compile(r"once\. 14:\d\d left"))


def test_after_a_sleep_the_time_that_is_left_is_right(portal, open_browser, name):
    page = open_browser("owner", once=True)
    key_id = steps.generate(page, name)
    portal.change(
        "UPDATE keys_revealgrant SET expires_at = ? WHERE key_id = ?",
        f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%d %H:%M:%S}",
        key_id.replace("-", ""),
    )
    page.reload()
    expect(page.locator("#time-left")).to_contain_text("4:5")
    page.route("**/store/", lambda route: route.fulfill(headers={"Date": _http_date(minutes=2)}))
    page.evaluate("now => { Date.now = () => now; }", _in(minutes=2).timestamp() * 1000)
    expect(page.locator("#time-left")).to_contain_text(re.compile(r"once\. (2:5|3:0)\d left"))


def _in(*, minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def _http_date(*, minutes: int) -> str:
    return format_datetime(_in(minutes=minutes), usegmt=True)


def test_a_reload_does_not_use_the_view_and_after_it_shows_time_and_browser_and_offers_deletion(
    open_browser, name
):
    page = open_browser("owner")
    steps.generate(page, name)
    page.reload()
    expect(page.locator("#time-left")).to_contain_text("once. 14:")
    key = steps.show(page)
    page.reload()
    _expect_used_up(page)
    expect(page.get_by_role("main")).to_contain_text("(just now) from Chrome on Linux, 127.0.0.1.")
    assert key not in page.content()
    page.get_by_role("link", name="Delete this key").click()
    page.get_by_role("button", name="Delete API key").click()
    expect(steps.message(page, "is removed. Cerby has confirmed")).to_be_visible()


def test_delete_this_key_instead(portal, open_browser, name):
    page = open_browser("owner")
    steps.generate(page, name)
    page.get_by_role("link", name="Delete this key instead").click()
    page.get_by_role("button", name="Delete API key").click()
    expect(steps.message(page, "is removed. Cerby has confirmed")).to_be_visible()
    assert portal.rows("SELECT state, sealed FROM keys_revealgrant WHERE key_id IN (SELECT id FROM keys_apikey WHERE name = ?)", name) == [("gone", None)]  # fmt: skip


def test_leaving_without_storing_warns_and_after_done_neither_warns_nor_shows_the_key_again(
    open_browser, name
):
    page = open_browser("owner")
    dialogs = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", dismiss)
    steps.generate(page, name)
    key = steps.show(page)
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#key-mask")).to_have_text(key)  # the person chose to stay on the page
    assert dialogs == ["beforeunload"]
    steps.tick_and_finish(page)
    page.go_back()
    _expect_used_up(page)
    assert key not in page.content()
    page.goto("/")
    assert dialogs == ["beforeunload"]


def test_of_two_tabs_one_gets_the_key_and_the_other_is_told(open_browser, complaints, name):
    complaints.expect_status(410)
    first = open_browser("owner")
    steps.generate(first, name)
    second = first.context.new_page()
    second.goto(first.url)
    steps.show(second)
    first.get_by_role("button", name="Show").click()
    expect(first.get_by_role("alert")).to_contain_text("This key has already been viewed")
    expect(first.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    first.get_by_role("link", name="Check the status of this key").click()
    _expect_used_up(first)


def test_another_browser_of_the_same_person_does_not_use_the_view_and_another_person_is_refused(
    open_browser, complaints, name
):
    complaints.expect_status(403)
    here = open_browser("owner")
    steps.generate(here, name)
    other = open_browser("admin")
    assert other.goto(here.url).status == 403
    expect(other.get_by_role("main")).to_contain_text("Only the key's owner may view")
    elsewhere = open_browser("owner")
    elsewhere.goto(here.url)
    expect(elsewhere.get_by_role("alert")).to_contain_text(
        "only in the browser and the profile in which it was generated"
    )
    expect(elsewhere.get_by_role("button", name="Show")).to_be_disabled()
    steps.show(here)


def test_a_session_that_ends_before_the_view_does_not_use_it(open_browser, name):
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    steps.generate(page, name)
    sessions.end(page)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/accounts/login/**")
    steps.fill_in_sign_in(page, "admin")
    steps.wait_for_store_page(page)
    steps.show(page)


def test_an_old_sign_in_is_confirmed_before_the_view(portal, open_browser, complaints, name):
    complaints.expect_status(401)
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    steps.generate(page, name)
    sessions.age(portal, page, seconds=6 * 60)
    page.get_by_role("button", name="Show").click()
    steps.confirm_that_it_is_you(page)
    steps.wait_for_store_page(page)
    steps.show(page)


def test_a_session_that_ends_after_the_view_keeps_the_key_for_saving(open_browser, complaints, name):
    complaints.expect_status(403)  # the first attempt after the new sign-in uses the page's old CSRF token
    page = open_browser()
    sessions.sign_in(page.context, "admin")
    steps.generate(page, name)
    key = steps.show(page)
    sessions.end(page)
    page.get_by_role("button", name="Save in Cerby").click()
    dialog = page.get_by_role("dialog", name="Save your API key in Cerby?")
    dialog.get_by_role("button", name="Save in Cerby").click()
    with page.context.expect_page() as opened:
        dialog.get_by_role("link", name="Confirm that it is you in a new tab").click()
    steps.fill_in_sign_in(opened.value, "admin")
    _expect_used_up(opened.value)
    expect(page.locator("#key-mask")).to_have_text(key)
    dialog.get_by_role("button", name="Save in Cerby").click()
    page.wait_for_url("**/keys/")
    expect(steps.message(page, "The API key is saved in Cerby")).to_be_visible()


def test_two_minutes_on_screen_clear_the_key(open_browser, name):
    page = open_browser("owner", once=True, permissions=["clipboard-read", "clipboard-write"])
    page.clock.install()
    steps.generate(page, name)
    key = steps.show(page)
    page.clock.run_for("01:00")
    page.get_by_role("button", name="Hide").click()
    assert key not in page.content()
    page.clock.run_for("10:00")  # the time does not run while the key is hidden
    assert steps.show(page) == key
    page.clock.run_for("00:58")
    expect(page.locator("#key-mask")).to_have_text(key)
    page.clock.run_for("00:03")
    expect(page.get_by_role("alert")).to_contain_text("on screen for two minutes and is now cleared")
    assert key not in page.content()
    for button in ("Show", "Copy", "Save in Cerby"):
        expect(page.get_by_role("button", name=button, exact=True)).to_be_disabled()
    steps.tick_and_finish(page)  # a person who copied the key in time can still confirm it


def test_after_its_time_the_view_is_over(portal, open_browser, name):
    page = open_browser("owner")
    key_id = steps.generate(page, name)
    portal.change(
        "UPDATE keys_revealgrant SET expires_at = '2020-01-01 00:00:00' WHERE key_id = ?",
        key_id.replace("-", ""),
    )
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("The time to view this key is over")
    expect(page.get_by_role("button", name="Show")).to_have_count(0)
    expect(page.get_by_role("link", name="Delete this key")).to_be_visible()
