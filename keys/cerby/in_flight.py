"""Bound the calls to a server that this process has in flight, so that a silent server holds few threads.

Each call occupies a thread until its answer comes or its time is over. Without a bound, people who wait for a
silent Cerby would occupy every thread, and nobody else would be served.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from keys.cerby.calls import Answer, Lost, Stage

LONG = 2.0
"""Seconds. A call that takes longer counts as unanswered if no usable answer comes."""
WAIT_FOR_TURN = 0.5
UNANSWERED_IN_A_ROW = 3
PAUSE = 5.0
"""Seconds between two attempts while the server is silent."""

BUSY = Lost(Stage.NOT_SENT, "the portal waits for its answers to too many other requests")
SILENT = Lost(Stage.NOT_SENT, f"it has not answered the last {UNANSWERED_IN_A_ROW} requests")


class InFlight:
    """Admit at most ``limit`` calls at a time, and only one in ``PAUSE`` while the server is silent.

    A refused call was never sent. The server counts as silent after ``UNANSWERED_IN_A_ROW`` calls without an
    answer, until one is answered. An admitted call is never interrupted.

    If all calls in flight are recent, as many more may wait ``WAIT_FOR_TURN``. So a burst is served while
    the server answers.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._began: dict[object, float] = {}
        self._waiting = 0
        self._unanswered = 0
        self._next_attempt = 0.0

    def run(self, call: Callable[[], Answer | Lost]) -> Answer | Lost:
        """Return the outcome of ``call``, or ``BUSY`` or ``SILENT`` if it was not made."""
        mine = object()
        refusal = self._enter(mine)
        if refusal is not None:
            return refusal
        outcome: Answer | Lost | None = None
        try:
            outcome = call()
        finally:
            self._leave(mine, outcome)
        return outcome

    def refusal(self) -> Lost | None:
        """Return the reason for which a call would not be made now, if there is one."""
        with self._changed:
            if not self._has_room() and not self._may_wait():
                return BUSY
            is_silent = self._unanswered >= UNANSWERED_IN_A_ROW and time.monotonic() < self._next_attempt
            return SILENT if is_silent else None

    def _enter(self, mine: object) -> Lost | None:
        with self._changed:
            if not self._has_room() and not self._wait_for_turn():
                return BUSY
            now = time.monotonic()
            if self._unanswered >= UNANSWERED_IN_A_ROW:
                if now < self._next_attempt:
                    return SILENT
                self._next_attempt = now + PAUSE
            self._began[mine] = now
            return None

    def _has_room(self) -> bool:
        return len(self._began) < self._limit

    def _may_wait(self) -> bool:
        """Return whether there may be room soon, and few wait already."""
        is_stuck = time.monotonic() - min(self._began.values()) > LONG
        return not is_stuck and self._waiting < self._limit

    def _wait_for_turn(self) -> bool:
        """Return whether there is room in time."""
        if not self._may_wait():
            return False
        self._waiting += 1
        try:
            return self._changed.wait_for(self._has_room, WAIT_FOR_TURN)
        finally:
            self._waiting -= 1

    def _leave(self, mine: object, outcome: Answer | Lost | None) -> None:
        with self._changed:
            now = time.monotonic()
            took = now - self._began.pop(mine)
            if isinstance(outcome, Answer) and not outcome.flaw:
                self._unanswered = 0
            elif took > LONG:
                self._unanswered += 1
                self._next_attempt = now + PAUSE
            self._changed.notify()


_bounds: dict[tuple[str, int], InFlight] = {}


def bound(base_url: str, limit: int) -> InFlight:
    """Return the bound that all clients of ``base_url`` share in this process."""
    return _bounds.setdefault((base_url, limit), InFlight(limit))
