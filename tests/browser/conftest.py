"""A real Chromium in front of a real portal; no page may complain about anything."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser import steps
from tests.browser.portal_process import Portal

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
FRESH_SECONDS = 120  # of the 300 for which the portal takes a sign-in as fresh
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => {
  console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});"""

PATIENCE = 15_000  # milliseconds, for a loaded machine

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("portal") / "data")
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # By module: while it runs, its event loop makes Django's ORM refuse to work in the same thread.
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


class Complaints:
    """What pages said on the console, uncaught errors and policy violations among it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: set[int] = set()

    def expect_status(self, *statuses: int) -> None:
        """Chromium reports each answer of 400 and above on the console; these are what the test is about."""
        self._expected.update(statuses)

    def listen_to(self, context: BrowserContext) -> None:
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.heard.append(f"uncaught: {error.error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        status = re.search(r"the server responded with a status of (\d+)", message.text)
        if status is not None and int(status[1]) in self._expected:
            return
        if message.text.startswith("Blocked attempt to show a 'beforeunload' confirmation panel"):
            return  # said where a script, as a test is one, leaves a page that nobody has touched
        if message.type in {"error", "warning"}:
            self.heard.append(f"{message.type}: {message.text}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.heard == []


class SignIns:
    """One sign-in per person, used by many browsers and renewed while it still counts as fresh."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._states: dict[str, tuple[float, Any]] = {}

    def state_of(self, who: str, chromium: Browser) -> Any:
        signed_in_at, state = self._states.get(who, (0.0, None))
        if time.monotonic() - signed_in_at > FRESH_SECONDS:
            signed_in_at, state = time.monotonic(), self._sign_in(who, chromium)
            self._states[who] = signed_in_at, state
        return state

    def _sign_in(self, who: str, chromium: Browser) -> Any:
        with chromium.new_context(base_url=self._portal.url) as context:
            page = context.new_page()
            page.goto("/accounts/login/?next=/roles/")
            steps.fill_in_sign_in(page, who)
            page.wait_for_url("**/roles/")
            return context.storage_state()


@pytest.fixture(scope="session")
def sign_ins(portal: Portal) -> SignIns:
    return SignIns(portal)


@pytest.fixture
def open_browser(
    chromium: Browser, portal: Portal, sign_ins: SignIns, complaints: Complaints
) -> Iterator[Open]:
    """``open_browser("owner")`` is a page of a new browser in which the Owner is signed in; without a name nobody is.

    Further arguments go to Playwright's ``new_context``.
    """
    contexts: list[BrowserContext] = []

    def open_browser(who: str | None = None, **options: Any) -> Page:
        if who is not None:
            options["storage_state"] = sign_ins.state_of(who, chromium)
        options = {"base_url": portal.url, "reduced_motion": "reduce"} | options
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        complaints.listen_to(context)
        return context.new_page()

    yield open_browser
    for context in contexts:
        context.close()
