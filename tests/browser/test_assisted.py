"""Test a key that is made in Cerby's web app: the whole job by keyboard, and no trace of the key afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.browser import steps
from tests.browser.portal_process import PASSWORD, Portal
from tests.browser.test_accessibility import look_over
from tests.browser.test_canary import everything_stored, files_with
from tests.browser.test_keyboard import tab_to

pytestmark = pytest.mark.browser

ADDRESSES = ("/", "/keys/", "/activity/", "/settings/", "/keys/find/")


@pytest.fixture
def page(by_hand, open_browser):
    page = open_browser(once=True, base_url=by_hand.url)
    page.goto("/accounts/login/?next=/keys/new/")
    steps.fill_in_sign_in(page, "owner")
    steps.wait_for_step_1(page)
    return page


def _make_in_cerby(portal: Portal, *scopes: str) -> str:
    """Make a key in the sandbox under another name, so that the portal cannot match it by a list."""
    attributes = {
        "name": steps.new_name("By hand"),
        "scopes": scopes,
        "expiresAt": (datetime.now(tz=UTC) + timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    token = (portal.data / "sandbox" / "cerby-token").read_text().strip()
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            f"{portal.sandbox_url}/api/v1/api-keys",
            json={"data": {"type": "api_key", "attributes": attributes}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
    return answer.json()["data"]["attributes"]["key"]


def _go(page: Page, control: Locator) -> None:
    """Click a link or button, and wait for the next page."""
    with page.expect_navigation():
        control.click()


def test_the_whole_life_of_a_key_without_javascript(by_hand, open_browser):
    page = open_browser(once=True, base_url=by_hand.url, java_script_enabled=False)
    page.goto("/accounts/login/?next=/keys/new/")
    _go(page, _fill_in_sign_in(page))
    name = steps.new_name("Without script")
    assert "JavaScript" not in page.inner_text("main")
    page.get_by_label("API key name").fill(name)
    page.get_by_label("Purpose").fill("To see that no script is needed.")
    page.get_by_label("Expiration time").select_option("Custom")
    in_a_week = datetime.now(tz=UTC) + timedelta(days=7)
    page.get_by_label("Date", exact=True).fill(in_a_week.strftime("%Y-%m-%d"))
    page.get_by_label("Time", exact=True).fill("12:30")
    _go(page, page.get_by_role("button", name="Next"))
    assert page.get_by_role("checkbox").count() == 17
    _go(page, page.get_by_role("button", name="Back"))
    expect(page.get_by_label("API key name")).to_have_value(name)
    expect(page.get_by_label("Time", exact=True)).to_have_value("12:30")
    _go(page, page.get_by_role("button", name="Next"))
    steps.scope(page, "Read users").check()
    steps.scope(page, "Write teams").check()
    _go(page, page.get_by_role("button", name="Next"))

    expect(page.get_by_role("heading", name="Generate it in Cerby")).to_be_visible()
    expect(page.get_by_text("Settings → Workspace Configuration → API keys")).to_be_visible()
    expect(page.get_by_role("button", name="Copy", exact=True)).to_have_count(0)
    key_id = page.url.split("/")[-3]
    page.get_by_label("API key", exact=True).fill(_make_in_cerby(by_hand, "read:users", "write:teams"))
    _go(page, page.get_by_role("button", name="Check and continue"))
    if page.url.endswith("/paste/"):
        page.get_by_label("API key", exact=True).fill(_make_in_cerby(by_hand, "read:users", "write:teams"))
        page.get_by_label("Continue anyway").check()
        _go(page, page.get_by_role("button", name="Check and continue"))
    expect(page.get_by_role("heading", name="Store your API key")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    assert page.url.endswith("/store/")  # the box is required
    page.get_by_label("I have stored the key in a safe place").check()
    _go(page, page.get_by_role("button", name="Done"))
    expect(steps.row(page, name).locator("td[data-label=Status]")).to_have_text("Active")

    page.goto(f"/keys/{key_id}/delete/")
    _go(page, page.get_by_role("button", name="Delete API key"))
    expect(page.get_by_text("Settings → Workspace Configuration → API keys")).to_be_visible()
    page.get_by_label("I have deleted this key in Cerby").check()
    _go(page, page.get_by_role("button", name="Confirm deletion"))
    expect(page.locator("dl.details").first).to_contain_text("Removed")


def _fill_in_sign_in(page: Page) -> Locator:
    page.get_by_label("Email").fill(steps.email_of("owner"))
    page.get_by_label("Password").fill(PASSWORD)
    return page.get_by_role("button", name="Sign in", exact=True)


def _ask_for_a_key(page: Page, name: str) -> str:
    """Go through the wizard by keyboard and return the key's id."""
    tab_to(page, "API key name")
    page.keyboard.type(name)
    tab_to(page, "Purpose")
    page.keyboard.type("To see how a key is made by hand.")
    page.keyboard.press("Tab")
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    steps.wait_for_step_2(page)
    expect(page.get_by_role("heading", name="Select scopes")).to_be_focused()
    tab_to(page, "Read users")
    page.keyboard.press("Space")
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    page.wait_for_url("**/paste/")
    return page.url.split("/")[-3]


def _paste(page: Page, key: str, *, again: bool = False) -> None:
    """Paste ``key``. ``again``: the field was refused, so it has the focus already."""
    if again:
        expect(page.get_by_label("API key", exact=True)).to_be_focused()
    else:
        tab_to(page, "API key", exact=True)
    page.keyboard.insert_text(key)
    tab_to(page, "Check and continue")
    page.keyboard.press("Enter")


def test_from_the_wizard_to_the_tick_by_keyboard(by_hand, page, complaints):
    complaints.expect_status(422)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    name = steps.new_name("Assisted")
    _ask_for_a_key(page, name)
    expect(page.get_by_role("heading", name="Generate it in Cerby")).to_be_visible()
    look_over(page)
    tab_to(page, f"Copy “{name}”")
    page.keyboard.press("Enter")
    expect(page.locator("#copy-status")).to_have_text(f"Copied: {name}")
    assert page.evaluate("() => navigator.clipboard.readText()") == name

    _paste(page, _make_in_cerby(by_hand, "read:users", "read:vaults"))
    expect(page.locator(".error").filter(has_text="Read vaults")).to_be_visible()
    expect(page.get_by_label("API key", exact=True)).to_have_value("")
    look_over(page)

    _paste(page, _make_in_cerby(by_hand, "read:users"), again=True)
    page.wait_for_url("**/store/")
    expect(page.get_by_text("The key is accepted, and the portal has not kept it")).to_be_visible()
    look_over(page)
    expect(page.get_by_role("button", name="Done")).to_be_disabled()
    tab_to(page, "I have stored the key in a safe place")
    page.keyboard.press("Space")
    tab_to(page, "Done")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys/")
    expect(steps.message(page, "you have confirmed that it is stored")).to_be_visible()
    expect(steps.row(page, name).locator("td[data-label=Status]")).to_have_text("Active")


def test_a_pasted_key_is_nowhere_after_its_whole_life(by_hand, page):
    requests_seen = []
    page.context.on("request", lambda request: requests_seen.append(request))  # noqa: PLW0108  Playwright marks handlers
    name = steps.new_name("Pasted canary")
    key_id = _ask_for_a_key(page, name)
    key = _make_in_cerby(by_hand, "read:users")
    _paste(page, key)
    page.wait_for_url("**/store/")
    assert key not in page.content()
    page.go_back()
    expect(page.get_by_role("heading", name="Paste your API key")).to_be_visible()
    assert key not in page.content()
    assert not page.locator("textarea, input").evaluate_all(
        "(all, key) => all.some((at) => at.value === key)", key
    )
    page.goto(f"/keys/{key_id}/store/")
    steps.tick_and_finish(page)

    page.goto("/keys/find/")
    page.get_by_label("Suspicious text").fill(f"log: {key}")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(f"This is “{name}”")).to_be_visible()
    look_over(page)
    assert key not in page.content()

    page.get_by_role("link", name="Delete API key").click()
    page.get_by_role("button", name="Delete API key").click()
    page.wait_for_url("**/removal/")
    expect(page.get_by_text("This key may still work")).to_be_visible()
    look_over(page)
    page.get_by_label("I have deleted this key in Cerby").check()
    page.get_by_role("button", name="Confirm deletion").click()
    page.wait_for_url(f"**/keys/{key_id}/")
    expect(page.locator("dl.details").first).to_contain_text("Removed")

    for address in (*ADDRESSES, f"/keys/{key_id}/", f"/keys/{key_id}/store/", f"/keys/{key_id}/paste/"):
        assert key not in page.goto(address).text()
        assert key not in everything_stored(page)
    carriers = [
        request.url
        for request in requests_seen
        if key in f"{request.url} {request.headers} {request.post_data}"
    ]
    assert [url.rstrip("/").rpartition("/")[2] for url in carriers] == ["paste", "find"]
    assert files_with(by_hand.data, name)
    assert files_with(by_hand.data, key) == set()
