"""Describe a row that contradicts the audit log."""

from __future__ import annotations

from typing import NamedTuple


class Contradiction(NamedTuple):
    """``event`` is the id of the newest event about the row, or None if the log has none."""

    event: int | None
    words: str
