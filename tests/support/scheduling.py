"""Which of pytest-xdist's workers runs which test: one all that need a browser, and whoever is free the others."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling


class OneWorkerForBrowsers(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """So there is one portal and one Chromium. They come first: together they take longest."""

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else nodeid

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forgets what is done: it would be counted again, all of it, after each of the thousands of tests."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]
