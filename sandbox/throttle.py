"""Rate limit: count the requests of each credential. Off unless a limit is set."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.problems import too_many_requests

if TYPE_CHECKING:
    from sandbox.messages import Credential

_WINDOW = timedelta(minutes=1)
_PAUSE = timedelta(minutes=5)  # "retry in five minutes" (published); the window is our contract


class Throttle:
    """Refuse a credential for five minutes if it exceeds ``per_minute`` requests. None means no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._recent: defaultdict[Credential, deque[datetime]] = defaultdict(deque)
        self._paused_until: dict[Credential, datetime] = {}

    def count(self, credential: Credential, now: datetime) -> None:
        """Count one request. Raises ApiError 429."""
        if self.per_minute is None:
            return
        with self._lock:
            if now < self._paused_until.get(credential, now):
                raise too_many_requests()
            recent = self._recent[credential]
            while recent and recent[0] <= now - _WINDOW:
                recent.popleft()
            recent.append(now)
            if len(recent) > self.per_minute:
                recent.clear()
                self._paused_until[credential] = now + _PAUSE
                raise too_many_requests()

    def forget(self) -> None:
        with self._lock:
            self._recent.clear()
            self._paused_until.clear()
