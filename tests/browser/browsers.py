"""Reuse browsers between tests, because starting one takes longer than most tests."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Debian's headless build: the same engine as chromium at a third of the cost."""
QUIET = "/accounts/login/"  # a page without background activity
PATIENCE = 60_000  # milliseconds, for a loaded machine
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # One renderer process is enough, because all pages are of one site.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
]
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => {
  console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});"""


@dataclass(frozen=True)
class Kept:
    """A browser with one tab that stays open, so that its renderer process stays alive."""

    context: BrowserContext
    tab: Page
    storage: CDPSession
    wishes: str

    def empty(self) -> None:
        """Delete all cookies and storage. Only Chromium's HTTP cache stays."""
        self.context.clear_cookies()
        origin = self.tab.url.removesuffix(QUIET)
        self.storage.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})


class Browsers:
    """A pool of browsers. Each browser serves one test at a time."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._idle: dict[str, list[Kept]] = defaultdict(list)

    def take(self, **options: Any) -> Kept:
        """Return an empty browser. ``options``, such as ``base_url``, go to Playwright's ``new_context``."""
        wishes = json.dumps(options, sort_keys=True)
        idle = self._idle[wishes]
        kept = idle.pop() if idle else self._new(options, wishes)
        kept.empty()
        return kept

    def _new(self, options: dict[str, Any], wishes: str) -> Kept:
        context = self._chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(REPORT_VIOLATIONS)
        tab = context.new_page()
        tab.goto(QUIET)
        return Kept(context, tab, context.new_cdp_session(tab), wishes)

    def give_back(self, kept: Kept) -> None:
        for page in kept.context.pages:
            if page != kept.tab:
                page.close()
        self._idle[kept.wishes].append(kept)
