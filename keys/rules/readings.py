"""Decide whether a reading counts: a value that a person read in Cerby's web app and entered here."""

from __future__ import annotations

from datetime import datetime


def counts(read_at: datetime | None, listed_at: datetime | None) -> bool:
    """Return whether there is a reading, and Cerby has not listed the key itself since."""
    return read_at is not None and (listed_at is None or listed_at < read_at)
