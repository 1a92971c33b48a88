"""The walk's own time: Django's clock and the sandbox's, set together and moved on in steps."""

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
"""When every case begins, however long the walk has been under way."""


class Clock:
    """Goes on by itself from wherever it was last set, in this process and in those that are forked from it."""

    def __init__(self, sandbox: SandboxProcess | ControlPort) -> None:
        self._sandbox = sandbox
        self._offset = multiprocessing.RawValue("d")  # seconds, shared
        timezone.now = self.now

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offset.value)

    def set(self, moment: datetime) -> None:
        """Cerby carries out what has become due there, and its port is open afterwards if it was to be."""
        offset = moment - datetime.now(UTC)
        self._offset.value = offset.total_seconds()
        self._sandbox.set_clock(offset)

    def step(self, amount: timedelta) -> None:
        self.set(self.now() + amount)


def hurry() -> None:
    """From now on this process takes no pauses, such as the client's before it repeats a read."""
    time.sleep = lambda _seconds: None


@contextmanager
def patience(seconds: float | None) -> Iterator[None]:
    """Until the end of the block no wait for the network lasts longer: a hang is one, and costs no more than this."""
    set_timeout = socket.socket.settimeout

    def shorter(sock: socket.socket, value: float | None) -> Any:
        return set_timeout(sock, seconds if value is None else min(value, seconds))

    if seconds is not None:
        socket.socket.settimeout = shorter
    try:
        yield
    finally:
        socket.socket.settimeout = set_timeout
