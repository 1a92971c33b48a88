"""The links of a list: the same query string with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from keys.selectors.inventory.keyset import Page

PLACE = ("after", "before")
"""Where in the list one is; forgotten when the filter or the order changes."""


@dataclass(frozen=True)
class SortLink:
    """``direction`` is what aria-sort says, empty on the columns that are not sorted by."""

    query: str
    direction: str


class ListLinks:
    def __init__(
        self, params: QueryDict, page: Page[Any], *, sort: str = "", sorts: Iterable[str] = ()
    ) -> None:
        self._params = params
        self.older = self._with(after=page.after) if page.after is not None else ""
        self.newer = self._with(before=page.before) if page.before is not None else ""
        self.everything = self._with()
        self.sort = {name.replace("-", "_"): self._sort_link(name, sort) for name in sorts}

    def _sort_link(self, name: str, sort: str) -> SortLink:
        if sort == name:
            return SortLink(self._with(sort=f"-{name}"), "ascending")
        return SortLink(self._with(sort=name), "descending" if sort == f"-{name}" else "")

    def _with(self, **changes: Any) -> str:
        params = self._params.copy()
        for name in PLACE:
            params.pop(name, None)
        for name, value in changes.items():
            params[name] = str(value)
        return params.urlencode()
