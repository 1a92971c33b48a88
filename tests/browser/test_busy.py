"""Test that a submitted form shows that it is busy and is not sent twice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser


def _leave_unanswered(page: Page, address: str) -> list[Route]:
    """Count the requests and answer 204, which keeps the page open."""
    sent: list[Route] = []

    def note(route: Route) -> None:
        sent.append(route)
        route.fulfill(status=204)

    page.route(address, note)
    return sent


@pytest.mark.parametrize(
    ("address", "button", "sent_to"),
    [
        ("/roles/", "Read roles from Cerby", "**/roles/refresh/"),
        ("/activity/verify/", "Verify now", "**/start/"),
    ],
)
def test_a_form_is_sent_once(open_browser, address, button, sent_to):
    page = open_browser("owner")
    sent = _leave_unanswered(page, sent_to)
    page.goto(address)
    button = page.get_by_role("button", name=button)
    for _ in range(3):
        button.click()
    expect(page.locator("form[aria-busy]")).to_have_count(1)
    assert button.evaluate("(button) => getComputedStyle(button, '::after').animationName") == "turn"
    assert len(sent) == 1


def test_a_form_that_downloads_does_not_wait_for_another_page(open_browser):
    page = open_browser("owner")
    page.goto("/activity/evidence/")
    with page.expect_download():
        page.get_by_role("button", name="Download evidence pack").click()
    expect(page.locator("form[aria-busy]")).to_have_count(0)


def test_a_page_that_is_come_back_to_can_be_sent_again(open_browser):
    page = open_browser("owner")
    page.goto("/roles/")
    page.get_by_role("button", name="Read roles from Cerby").click()
    expect(page.locator("#messages")).to_contain_text("now match Cerby.")
    page.go_back()
    page.get_by_role("button", name="Read roles from Cerby").click()
    expect(page.locator("#messages")).to_contain_text("now match Cerby.")
