"""Run a real Chromium against a real portal, and fail on any console error."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    WebError,
    expect,
    sync_playwright,
)

from sandbox.launcher import provider
from tests.browser import sessions
from tests.browser.browsers import ARGUMENTS, CHROMIUM, PATIENCE, Browsers
from tests.browser.portal_process import Portal
from tests.support.ports import free_port
from tests.support.saml_provider import ENTITY_ID

FRESH_SECONDS = 120  # of the 300 seconds for which a sign-in is fresh
WIDE: ViewportSize = {"width": 1360, "height": 850}

Open = Callable[..., Page]


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Portal]:
    """Start the portal with a real sign-in provider, which takes a quarter of a second."""
    assert provider.missing() == "", "Run .ci/provider."
    with Portal(tmp_path_factory.mktemp("portal") / "data", migrated=migrated_sqlite, OIDC="1") as portal:
        yield portal


@pytest.fixture(scope="package")
def saml_port() -> int:
    """Return the port at which ``by_hand`` expects a SAML provider, as test_saml.py starts one."""
    return free_port()


@pytest.fixture(scope="package")
def by_hand(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, saml_port: int
) -> Iterator[Portal]:
    """Start a portal in assisted mode, and with SAML."""
    data = tmp_path_factory.mktemp("assisted") / "data"
    saml = {
        "PORTAL_SAML_ISSUER": ENTITY_ID,
        "PORTAL_SAML_METADATA_URL": f"http://127.0.0.1:{saml_port}/metadata",
        "PORTAL_SAML_EMAILS_VERIFIED": "true",
    }
    with Portal(data, migrated=migrated_sqlite, vaults=2, CERBY_ISSUE_MODE="assisted", **saml) as portal:
        yield portal


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    # Package scope: while its event loop runs, Django's ORM refuses to work in the same thread.
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def browsers(chromium: Browser) -> Browsers:
    return Browsers(chromium)


class Complaints:
    """Collect console errors, uncaught exceptions and policy violations."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: set[int] = set()

    def expect_status(self, *statuses: int) -> None:
        """Ignore these statuses from now on. Chromium reports each response of 400 and above on the console."""
        self._expected = set(statuses)

    @contextmanager
    def of(self, context: BrowserContext) -> Iterator[None]:
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        yield
        context.remove_listener("console", self._on_console)
        context.remove_listener("weberror", self._on_error)

    def _on_error(self, error: WebError) -> None:
        self.heard.append(f"uncaught: {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        status = re.search(r"the server responded with a status of (\d+)", message.text)
        if status is not None and int(status[1]) in self._expected:
            return
        if message.text.startswith("Blocked attempt to show a 'beforeunload' confirmation panel"):
            return  # Chromium logs this if a script leaves a page without user interaction
        if message.type in {"error", "warning"}:
            self.heard.append(f"{message.type}: {message.text}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.heard == []


class SignIns:
    """Share one sign-in per person between browsers, and renew it before it is no longer fresh."""

    def __init__(self) -> None:
        self._cookies: dict[str, tuple[float, Any]] = {}

    def sign_in(self, who: str, context: BrowserContext) -> None:
        signed_in_at, cookies = self._cookies.get(who, (-math.inf, None))
        if time.monotonic() - signed_in_at < FRESH_SECONDS:
            context.add_cookies(cookies)
            return
        signed_in_at = time.monotonic()
        sessions.sign_in(context, who)
        self._cookies[who] = signed_in_at, context.cookies()

    def forget(self, who: str) -> None:
        """Sign ``who`` in anew next time: their sessions have ended."""
        self._cookies.pop(who, None)


@pytest.fixture(scope="package")
def sign_ins(portal: Portal) -> SignIns:
    return SignIns()


@pytest.fixture
def open_browser(
    browsers: Browsers, portal: Portal, sign_ins: SignIns, complaints: Complaints
) -> Iterator[Open]:
    """``open_browser("owner")`` returns a page of a new browser in which the Owner is signed in. Without a name nobody is.

    ``once`` discards the browser after the test. Other arguments go to Playwright's
    ``new_context``.
    """
    with ExitStack() as stack:

        def open_browser(who: str | None = None, *, once: bool = False, **options: Any) -> Page:
            options = {"base_url": portal.url, "viewport": WIDE, "reduced_motion": "reduce"} | options
            browser = browsers.take(**options)
            stack.enter_context(complaints.of(browser.context))
            if once:
                stack.callback(browser.context.close)
            else:
                stack.callback(browsers.give_back, browser)
            if who is not None:
                sign_ins.sign_in(who, browser.context)
            return browser.context.new_page()

        yield open_browser
