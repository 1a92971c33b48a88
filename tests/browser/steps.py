"""Steps of a person in the portal, by the labels of its pages."""

from __future__ import annotations

import itertools
import re
import uuid

from playwright.sync_api import Locator, Page, expect

from tests.browser.portal_process import PASSWORD

_numbers = itertools.count(1)


def email_of(who: str) -> str:
    return f"{who}@contenzilla.example"


def new_name(what: str = "Nightly report") -> str:
    """Return a name that no other test uses."""
    return f"{what} {next(_numbers)}-{uuid.uuid4().hex[:6]}"


def fill_in_sign_in(page: Page, who: str) -> None:
    page.get_by_label("Email").fill(email_of(who))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm_that_it_is_you(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def message(page: Page, text: str) -> Locator:
    """Return the visible message. The region that announces it to screen readers repeats its text."""
    return page.locator(".messages").get_by_text(text)


def open_wizard(page: Page) -> None:
    page.goto("/keys/new/")
    wait_for_step_1(page)


def wait_for_step_1(page: Page) -> None:
    expect(page.get_by_label("API key name")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_enabled()


def wait_for_step_2(page: Page) -> None:
    expect(page.get_by_role("heading", name="Select scopes")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_enabled()


def fill_in_details(page: Page, name: str, *, purpose: str = "Lists users for the nightly report.") -> None:
    page.get_by_label("API key name").fill(name)
    page.get_by_label("Expiration time").select_option("5 days")
    page.get_by_label("Purpose").fill(purpose)


def go_to_step_2(page: Page) -> None:
    page.get_by_role("button", name="Next").click()
    wait_for_step_2(page)


def choose_scopes(page: Page, *labels: str) -> None:
    for label in labels:
        scope(page, label).check()


def scope(page: Page, label: str):
    return page.get_by_role("checkbox", name=re.compile(f"^{label}"))


def generate(page: Page, name: str, *, scopes: tuple[str, ...] = ("Read users",)) -> str:
    """Go through the wizard to the page "Store your API key" and return the key's id."""
    open_wizard(page)
    fill_in_details(page, name)
    go_to_step_2(page)
    choose_scopes(page, *scopes)
    page.get_by_role("button", name="Next").click()
    return wait_for_store_page(page)


def wait_for_store_page(page: Page) -> str:
    page.wait_for_url("**/store/")
    expect(page.get_by_role("heading", name="Store your API key")).to_be_visible()
    return page.url.split("/")[-3]


def show(page: Page) -> str:
    """Press Show and return the key."""
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("button", name="Hide")).to_be_visible()
    key = page.locator("#key-mask").inner_text()
    assert key.startswith("sbx_")
    return key


def tick_and_finish(page: Page, then: str = "**/keys/") -> None:
    page.get_by_label("I have stored the key in a safe place").check()
    page.get_by_role("button", name="Done").click()
    page.wait_for_url(then)


def save_in_cerby(page: Page, *, vault: str | None = None) -> None:
    if vault is not None:
        page.get_by_label("Select vault").select_option(vault)
    page.get_by_role("button", name="Save in Cerby").click()
    dialog = page.get_by_role("dialog", name="Save your API key in Cerby?")
    expect(dialog).to_be_visible()
    if vault is not None:
        expect(dialog).to_contain_text(f"in the vault “{vault}”")
    dialog.get_by_role("button", name="Save in Cerby").click()
    page.wait_for_url("**/keys/")


def row(page: Page, name: str):
    """Return the row of this key in the inventory."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
