"""Test every page with axe, in light and dark, and for horizontal scrolling at 360 pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser import sessions, steps
from tests.browser.conftest import WIDE
from tests.support.cases import case

pytestmark = pytest.mark.browser

NARROW: ViewportSize = {"width": 360, "height": 740}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"type": "tag", "values": STANDARDS}
DARK_AND_NARROW = ["color-contrast", "target-size", "scrollable-region-focusable"]
CONTEXT = {"include": [["html"]], "exclude": [["tbody > tr:nth-child(n+4)"], ["ol.feed > li:nth-child(n+4)"]]}
"""The fourth row of a table or feed, and those below it, are like the first three."""


def look_over(page: Page) -> None:
    """Fail if axe finds a problem in the current page, light and wide or dark and narrow.

    A theme changes only colours, and the width changes none.
    """
    found = axe(page, EVERYTHING)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(NARROW)
    found += axe(page, DARK_AND_NARROW)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    assert found == []
    assert width <= NARROW["width"]


def axe(page: Page, rules: object) -> list[str]:
    """Return the problems that axe finds. ``rules`` is its option "runOnly"."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    violations = page.evaluate(
        "async ([context, options]) => (await axe.run(context, options)).violations", [CONTEXT, options]
    )
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]


def _at(address: str) -> Callable[[Page], object]:
    return lambda page: page.goto(address)


def go_to_dashboard_with_charts(page: Page) -> None:
    """Reload the dashboard until the worker's first run has made the charts."""
    page.goto("/")
    chart = page.get_by_role("img", name="Calendar of the keys that expire")
    for _ in range(120):
        if chart.is_visible():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(chart).to_be_visible()


def _dashboard_with_open_details(page: Page) -> None:
    go_to_dashboard_with_charts(page)
    for summary in page.locator("main summary").all():
        summary.click()


def _an_open_menu(page: Page) -> None:
    page.goto("/keys/?q=okta")
    page.get_by_label("More options").first.click()
    expect(page.get_by_role("link", name="API key settings").first).to_be_visible()


def _a_shared_view_with_many_columns(page: Page) -> None:
    """Save it twice under the same name, so that the page has an error as well."""
    page.goto(
        "/keys/?status=active&columns=team,backup,system,kind,environment,review,tags,note,id,owner,status"
    )
    for _ in range(2):
        page.get_by_text("Save as a").click()
        page.get_by_label("Name of the view").first.fill("Everything about active keys")
        page.get_by_label("Share it").first.check()
        page.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("There is already a shared view called")).to_be_visible()
    page.get_by_text("Edit the view").click()


def _step_1_with_errors(page: Page) -> None:
    steps.open_wizard(page)
    page.get_by_label("Expiration time").select_option("Custom")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Enter both a date and a time.")).to_be_visible()


def _step_1_with_a_custom_expiry(page: Page) -> None:
    steps.open_wizard(page)
    page.get_by_label("Expiration time").select_option("Custom")
    expect(page.get_by_label("Date", exact=True)).to_be_visible()


def _step_2(page: Page) -> None:
    steps.open_wizard(page)
    steps.fill_in_details(page, steps.new_name())
    steps.go_to_step_2(page)
    steps.choose_scopes(page, "Read users", "Write integrations")


def _step_2_with_an_error(page: Page) -> None:
    steps.open_wizard(page)
    steps.fill_in_details(page, steps.new_name())
    steps.go_to_step_2(page)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Select at least one scope.")).to_be_visible()


def _an_empty_registration(page: Page) -> None:
    page.goto("/keys/register/")
    page.get_by_role("button", name="Register key").click()
    expect(page.get_by_text("Enter the day on which the key expires.")).to_be_visible()


def _a_dry_run(page: Page) -> None:
    page.goto("/keys/import/")
    lines = "name,owner,expires,purpose,scopes\nNew,owner@contenzilla.example,2099-01-31,Tests.,Read users\nBad,,,,\n"
    page.get_by_label("CSV file").set_input_files(
        {"name": "keys.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    )
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_text("1 of 2 lines can be imported.")).to_be_visible()


def _nothing_found(page: Page) -> None:
    page.goto("/keys/find/")
    page.get_by_label("Suspicious text").fill("sbx_nobodys_key_that_was_ever_made_anywhere")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Not in the inventory")).to_be_visible()


def _a_person_to_remove(page: Page) -> None:
    page.goto("/people/?role=30&access=yes")
    page.locator("tbody a").first.click()
    page.get_by_role("link", name="Remove from the portal").click()
    expect(page.get_by_label("Reason")).to_be_visible()


STATES: dict[str, tuple[Callable[[Page], Any], int]] = {
    "dashboard": (_dashboard_with_open_details, 200),
    "inventory": (_at("/keys/?owner=jonas.weiss@contenzilla.example"), 200),
    "people": (_at("/people/"), 200),
    "people, a person to remove": (_a_person_to_remove, 200),
    "help": (_at("/help/"), 200),
    "help, a page with tables and code": (_at("/help/gateway/"), 200),
    "inventory, no match": (_at("/keys/?q=nothing+like+this"), 200),
    "inventory, invalid filter": (_at("/keys/?q=a&status=no-such"), 422),
    "inventory, a menu is open": (_an_open_menu, 200),
    "inventory, a shared view with many columns": (_a_shared_view_with_many_columns, 422),
    "wizard, step 1": (steps.open_wizard, 200),
    "wizard, step 1 with errors": (_step_1_with_errors, 422),
    "wizard, custom expiry": (_step_1_with_a_custom_expiry, 200),
    "wizard, step 2": (_step_2, 200),
    "wizard, step 2 with an error": (_step_2_with_an_error, 422),
    "activity": (_at("/activity/?type=person:change"), 200),
    "activity, invalid filter": (_at("/activity/?type=no-such"), 422),
    "person": (_at("/people/1/"), 200),
    "register": (_at("/keys/register/"), 200),
    "register, invalid": (_an_empty_registration, 422),
    "import": (_at("/keys/import/"), 200),
    "import, dry run": (_a_dry_run, 200),
    "find, nothing found": (_nothing_found, 200),
    "health": (_at("/settings/health/"), 200),
    "policy": (_at("/policy/?rule=review"), 200),
    "proposal": (_at("/policy/proposal/"), 200),
    "exceptions": (_at("/policy/exceptions/"), 200),
    "posture": (_at("/posture/"), 200),
    "settings": (_at("/settings/"), 200),
    "roles": (_at("/roles/"), 200),
    "no such page": (_at("/no/such/page/"), 404),
    "no such key": (_at("/keys/00000000-0000-4000-8000-000000000000/"), 404),
    "reauthenticate": (_at("/accounts/reauthenticate/?next=/keys/"), 200),
    "change password": (_at("/accounts/password/change/"), 200),
    "sign out": (_at("/accounts/logout/"), 200),
}


LIKE_ANOTHER = {
    "import": "import, dry run",
    "inventory": "inventory, a menu is open",
    "inventory, no match": "inventory, invalid filter",
    "wizard, step 1": "wizard, step 1 with errors",
    "wizard, custom expiry": "wizard, step 1 with errors",
    "wizard, step 2": "wizard, step 2 with an error",
    "activity, invalid filter": "inventory, invalid filter",
    "register": "register, invalid",
    "no such page": "no such key",
    "change password": "reauthenticate",
    "sign out": "reauthenticate",
}
"""States that only ``make nightly`` looks over, because the other page shows the same elements."""


def test_pages_of_an_admin(open_browser, complaints, nightly):
    browser = open_browser("owner").context
    for state in STATES if nightly else [state for state in STATES if state not in LIKE_ANOTHER]:
        arrive, status = STATES[state]
        complaints.expect_status(status)
        with case(state), browser.new_page() as page:  # the wizard keeps its input in the tab
            arrive(page)
            look_over(page)


def test_a_name_of_a_hundred_letters_fits(open_browser):
    page = open_browser("owner")
    name = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft".ljust(100, "x")
    key_id = steps.generate(page, name)
    steps.show(page)
    steps.tick_and_finish(page)
    for address in ("/keys/", f"/keys/{key_id}/", f"/keys/{key_id}/delete/", "/activity/", "/people/1/", "/"):
        page.goto(address)
        for size in (NARROW, {"width": 1024, "height": 700}, {"width": 1280, "height": 700}):
            page.set_viewport_size(size)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"], address


def test_pages_of_a_person_without_permission(open_browser, complaints):
    complaints.expect_status(403)
    page = open_browser("guest")
    page.goto("/keys/new/")
    look_over(page)


def test_pages_without_sign_in(open_browser):
    page = open_browser()
    page.goto("/accounts/password/reset/")
    look_over(page)
    page.goto("/keys/")
    look_over(page)
    page.get_by_label("Email").fill("nobody@contenzilla.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    look_over(page)


def test_the_drawer_when_narrow(open_browser):
    page = open_browser("owner", viewport=NARROW)
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
    assert axe(page, EVERYTHING) == []


def test_the_pages_of_a_new_key(open_browser):
    page = open_browser()
    sessions.sign_in(page.context, "owner")
    key_id = steps.generate(page, steps.new_name())
    look_over(page)
    steps.show(page)
    look_over(page)
    page.get_by_role("button", name="Save in Cerby").click()
    expect(page.get_by_role("dialog", name="Save your API key in Cerby?")).to_be_visible()
    look_over(page)
    page.get_by_role("button", name="Back").click()
    page.reload()
    look_over(page)
    steps.tick_and_finish(page)

    page.goto(f"/keys/{key_id}/")
    page.get_by_role("switch", name="Read teams").click()
    expect(page.get_by_text("“Read teams” is on for this key.")).to_be_visible()
    look_over(page)
    page.get_by_role("link", name="Delete API key").click()
    expect(page.get_by_role("dialog", name="Delete API key?")).to_be_visible()
    look_over(page)
    page.goto(f"/keys/{key_id}/delete/")
    look_over(page)
    page.get_by_role("button", name="Delete API key").click()
    expect(page.get_by_text("is removed. Cerby has confirmed")).to_be_visible()
    look_over(page)
    page.goto(f"/keys/{key_id}/delete/")
    expect(page.get_by_text("There is nothing to delete")).to_be_visible()
    look_over(page)


@pytest.mark.parametrize(
    "media", [{"forced_colors": "active"}, {"reduced_motion": "reduce"}], ids=["forced", "still"]
)
def test_system_settings_are_respected(open_browser, media):
    page = open_browser("owner", **media)
    page.goto("/keys/")
    current = page.get_by_role("navigation", name="Portal").get_by_role("link", name="API keys")
    if "forced_colors" in media:
        assert current.evaluate("(link) => getComputedStyle(link).outlineStyle") == "solid"
    else:
        assert current.evaluate("(link) => getComputedStyle(link).transitionDuration") == "0s"
