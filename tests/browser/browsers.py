"""Browsers that are emptied and used again: starting one costs more than most tests do in it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Debian's, and the same engine as in its chromium, without the window around it: a third of the work."""
QUIET = "/accounts/login/"  # a page on which nothing happens by itself
PATIENCE = 60_000  # milliseconds, for a loaded machine
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # One process for all pages of a browser: they are of one site.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
]
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => {
  console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});"""


@dataclass(frozen=True)
class Kept:
    """A browser, with a tab that stays open so that the process does in which pages are drawn."""

    context: BrowserContext
    tab: Page
    storage: CDPSession
    wishes: str

    def empty(self) -> None:
        """Nothing is left of what was done in it but Chromium's cache of files."""
        self.context.clear_cookies()
        origin = self.tab.url.removesuffix(QUIET)
        self.storage.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})


class Browsers:
    """Each is one test's at a time."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._idle: dict[str, list[Kept]] = defaultdict(list)

    def take(self, **options: Any) -> Kept:
        """An empty browser; ``options`` go to Playwright's ``new_context``, ``base_url`` among them."""
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
