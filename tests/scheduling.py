"""Which of pytest-xdist's workers runs which test: one all that need a browser, and whoever is free the others."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling


class OneWorkerForBrowsers(LoadScopeScheduling):
    """So there is one portal and one Chromium. They come first: together they take longest."""

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else nodeid
