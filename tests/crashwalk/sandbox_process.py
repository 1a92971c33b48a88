"""Run the sandbox in a separate process, which survives the crashes, and call it through a pipe."""

from __future__ import annotations

import multiprocessing
import threading
import time
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.sandbox.server import serve

PATIENCE = 120.0  # seconds: a bound for a machine that has much else to do, not a pause


class SandboxProcess:
    """Call the methods of ``Sandbox`` and ``_Served`` by name. Create this before any thread, because it forks."""

    def __init__(self, path: Path) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_serve, args=(path, theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()
        self.url: str = self._pipe.recv()

    def __getattr__(self, name: str) -> Any:
        return partial(self._ask, name)

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        self._ask("sandbox.faults.set", rules)

    def fired(self) -> dict[str, int]:
        return self._ask("sandbox.faults.fired")

    def close(self) -> None:
        self._pipe.close()
        self._process.join(PATIENCE)

    def _ask(self, name: str, /, *args: Any, **more: Any) -> Any:
        self._pipe.send((name, args, more))
        error, answer = self._pipe.recv()
        if error is not None:
            raise error
        return answer


class _Served:
    """The further methods that the walk needs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._kept: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    def keep(self, name: str) -> None:
        self._kept[name] = self.sandbox.snapshot()

    def back_to(self, name: str) -> None:
        self.sandbox.restore(self._kept[name])

    def set_clock(self, offset: timedelta) -> None:
        self.sandbox.clock.offset = offset
        self.sandbox.settle()
        _wait(lambda: not self._will_open_soon())

    def has_late_work(self) -> bool:
        return bool(self.sandbox.late_writes)  # the only list of delayed work

    def connections(self) -> int:
        """Return the number of threads: each connection has one."""
        return threading.active_count()

    def wait_for_connections(self, count: int) -> None:
        """Wait until at most ``count`` are open: then all requests of a dead process are finished."""
        _wait(lambda: threading.active_count() <= count)

    def _will_open_soon(self) -> bool:
        return any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def _wait(condition: Any) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "The sandbox does not come to rest."
        time.sleep(0.001)


def _serve(path: Path, pipe: Connection, other_end: Connection) -> None:
    other_end.close()
    served = _Served(Sandbox(path))
    with serve(served.sandbox) as url:
        pipe.send(url)
        while True:
            try:
                name, args, more = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send((None, attrgetter(name)(served)(*args, **more)))
            except Exception as error:  # noqa: BLE001 - the caller raises it
                pipe.send((error, None))
