"""Stop an automatic run that would affect too many keys or people at once."""

from __future__ import annotations

from typing import Any

from keys.audit import log
from keys.rules.events import Event


def is_too_many(count: int, total: int) -> bool:
    """Return whether ``count`` is more than three and more than one in twenty of ``total``."""
    return count > max(3, total // 20)


def record_stop(event: Event, reason: str, **counts: Any) -> None:
    """Record that a run was stopped before it changed anything. ``reason`` is for people."""
    log.append(event, actor=None, outcome=log.Outcome.FAILED, reason=reason, **counts)
