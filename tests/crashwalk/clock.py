"""Control the time of the portal and of the sandbox together."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from tests.crashwalk.fleet import ControlPort
from tests.crashwalk.sandbox_process import SandboxProcess

BEGINNING = datetime.now(UTC)
"""The time at which every case starts."""


class Clock:
    """A clock that runs on from the time to which it was set, in this process and in its forks."""

    def __init__(self, sandbox: SandboxProcess | ControlPort) -> None:
        self._sandbox = sandbox
        self._offset = multiprocessing.RawValue("d")  # seconds, shared
        timezone.now = self.now

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offset.value)

    def set(self, moment: datetime) -> None:
        """Set the time. The sandbox then does its delayed work and reopens its port if that is due."""
        offset = moment - datetime.now(UTC)
        self._offset.value = offset.total_seconds()
        self._sandbox.set_clock(offset)

    def step(self, amount: timedelta) -> None:
        self.set(self.now() + amount)


def hurry() -> None:
    """Skip every sleep of this process, such as the client's pause before it repeats a read."""
    time.sleep = lambda _seconds: None


@contextmanager
def patience(seconds: float | None) -> Iterator[None]:
    """Limit every network time-out in the block to ``seconds``, so that a hang costs no more than that."""
    set_timeout = socket.socket.settimeout

    def shorter(sock: socket.socket, value: float | None) -> Any:
        return set_timeout(sock, seconds if value is None else min(value, seconds))

    if seconds is not None:
        socket.socket.settimeout = shorter
    try:
        yield
    finally:
        socket.socket.settimeout = set_timeout
