"""Link the numbers in the result of a background job to the rows that they count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.urls import reverse

from keys.rules.events import Event

_OF_A_SWEEP: tuple[tuple[re.Pattern[str], str, dict[str, str]], ...] = (
    (re.compile(r"\d+ of \d+ live keys confirmed"), "keys:inventory", {"status": "live"}),
    (re.compile(r"\d+ discovered"), "keys:activity", {"type": Event.KEY_DISCOVERED.value}),
    (re.compile(r"\d+ changed"), "keys:activity", {"type": Event.KEY_CHANGED.value}),
    (re.compile(r"\d+ missing"), "keys:inventory", {"needs": "missing"}),
    (re.compile(r"\d+ revoked"), "keys:inventory", {"status": "removed"}),
    (re.compile(r"\d+ held back"), "keys:health", {}),
)
_PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "reconcile": ("keys:inventory", {"needs": "waiting"}),
    "verify": ("keys:verification", {}),
    "anchor": ("keys:verification", {}),
    "siem": ("keys:activity", {}),
    "people": ("keys:people", {}),
    "figures": ("keys:inventory", {"status": "active"}),
    "refusals": ("keys:activity", {"outcome": "refused"}),
    "reach": ("keys:people", {"keys": "yes"}),
}
"""The page about what the other jobs count. Those that are not here count nothing that has a page."""


class Part(NamedTuple):
    """A part of a result. ``url`` is empty if it leads nowhere."""

    words: str
    url: str


def parts(job: str, summary: str) -> list[Part]:
    """Return the result of ``job`` in parts that together are its ``summary``."""
    if job == "sweep":
        return list(_of_a_sweep(summary))
    if job in _PAGES and re.search(r"\d", summary):
        name, query = _PAGES[job]
        return [Part(summary, reverse(name, query=query or None))]
    return [Part(summary, "")] if summary else []


def _of_a_sweep(summary: str) -> Iterator[Part]:
    for piece in re.split(r"([,:] (?=\d)|; quarantine)", summary):
        page = next(((name, query) for pattern, name, query in _OF_A_SWEEP if pattern.fullmatch(piece)), None)
        if piece:
            yield Part(piece, reverse(page[0], query=page[1] or None) if page else "")
