"""Writes whose answer was lost and that the workspace carries out later, as a slow Cerby would."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sandbox.messages import Request


@dataclass(order=True)
class LateWrite:
    """A request to carry out at ``due_at``. ``sequence`` is its number in the journal."""

    due_at: datetime
    sequence: int
    request: Request = field(compare=False)
    body: bytes = field(compare=False, repr=False)


class LateWrites:
    """The queue of late writes.

    It is kept in memory, because a credential or a secret's text must not reach a file. A restart forgets it.
    """

    def __init__(self, carry_out: Callable[[LateWrite], None]) -> None:
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._pending: list[LateWrite] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, write: LateWrite) -> None:
        with self._lock:
            self._pending.append(write)

    def settle(self, now: datetime) -> int:
        """Carry out the writes that are due, oldest first, and return their number.

        Other threads wait until that is done.
        """
        if not self._pending:
            return 0
        with self._lock:
            due = sorted(write for write in self._pending if write.due_at <= now)
            self._pending = [write for write in self._pending if write.due_at > now]
            for write in due:
                self._carry_out(write)
            return len(due)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()
