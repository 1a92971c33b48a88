"""Collect the facts about a key that the policy looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Facts:
    """``created_at``, ``expires_at`` and ``used_at`` are None if the portal does not know the time.

    ``used_at`` is when the key was made if it was never used. ``stored_in`` is None if the portal cannot know
    where the key is stored. ``owners_keys``: how many active keys its owner has, with this one.
    """

    scopes: tuple[str, ...]
    owner_role: int
    is_agent: bool
    purpose: str
    team: str
    system: str
    is_orphan: bool
    has_backup: bool
    review_on: date | None
    created_at: datetime | None
    expires_at: datetime | None
    used_at: datetime | None
    stored_in: str | None
    name: str = ""
    owners_keys: int = 0
