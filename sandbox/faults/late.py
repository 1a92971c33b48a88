"""Requests that are carried out later, when the sandbox's clock has passed their moment."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sandbox.messages import Request


@dataclass(order=True)
class Due:
    """``sequence`` is the request's number in the journal; ``body`` is what it said."""

    at: datetime
    sequence: int
    request: Request = field(compare=False)
    body: bytes = field(compare=False, repr=False)


class DueList:
    """Kept in memory: a credential, or a secret's text, must not reach a file. A restart forgets it."""

    def __init__(self, carry_out: Callable[[Due], None]) -> None:
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._due: list[Due] = []

    def add(self, due: Due) -> None:
        with self._lock:
            self._due.append(due)

    def settle(self, now: datetime) -> int:
        """Carry out what is due, each as of its own moment; how many. Others wait until that is done."""
        if not self._due:
            return 0
        with self._lock:
            ripe = sorted(due for due in self._due if due.at <= now)
            self._due = [due for due in self._due if due.at > now]
            for due in ripe:
                self._carry_out(due)
            return len(ripe)

    def forget(self) -> None:
        with self._lock:
            self._due.clear()
