"""Start, watch and stop child processes together. They never outlive this process."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Never, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

POLL_SECONDS = 0.05
STOP_SECONDS = 8  # then SIGKILL
LOG_LINES = 15
PR_SET_PDEATHSIG = 1  # prctl(2)

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class RunError(Exception):
    """The launcher cannot go on. The message is a sentence for the person at the terminal."""


def end_with_parent(parent: int) -> None:
    """Make the kernel send SIGTERM to this process when its parent, with pid ``parent``, ends. Linux only."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # the parent ended before prctl
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int  # the offset of this run's first line, in bytes
    is_task: bool  # a task ends with status 0; a service runs until it is stopped

    def has_failed(self) -> bool:
        code = self.process.poll()
        return code is not None and not (self.is_task and code == 0)

    def error(self) -> RunError:
        """Return the error for a child that ended unexpectedly, with the end of its log."""
        return RunError(
            f"The {self.name} ended unexpectedly ({_status(self.process.returncode)}).{self.tail()}"
        )

    def tail(self) -> str:
        """Return a sentence with the last lines of this run's log."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        quoted = "".join(f"\n  | {line}" for line in lines)
        return f" The end of {self.log}:{quoted}" if lines else f" It left nothing in {self.log}."


class Processes:
    """A context manager that has stopped every child when it exits, also after an error or a signal."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self.children: list[Child] = []
        self.stop_requests = 0

    def __enter__(self) -> Self:
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # keep nohup(1) in force
            signal.signal(signal.SIGHUP, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        for child in reversed(self.children):
            self._stop(child)

    def _on_signal(self, *_: object) -> None:
        self.stop_requests += 1

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        is_task: bool = False,
        stdout: IO[bytes] | None = None,
    ) -> Child:
        """Start a child that writes to its own log; its standard output goes to ``stdout`` if given.

        The child gets its own process group, so that Ctrl-C in the terminal reaches only this process.
        """
        self.check()
        path = self.log_dir / f"{name}.log"
        with path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  the commands are fixed
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                process_group=0,
                preexec_fn=functools.partial(end_with_parent, os.getpid()),  # noqa: PLW1509  no threads here
            )
            child = Child(name, process, path, log.tell(), is_task)
        self.children.append(child)
        return child

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal, and RunError if a child ended unexpectedly."""
        if self.stop_requests:
            raise KeyboardInterrupt
        for child in self.children:
            if child.has_failed():
                raise child.error()

    def wait_until_ready(self, child: Child, is_ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise RunError(f"The {child.name} was not ready within {seconds:.0f} seconds.{child.tail()}")
            time.sleep(POLL_SECONDS)

    def wait_until_done(self, task: Child) -> None:
        while task.process.poll() is None:
            self.check()
            time.sleep(POLL_SECONDS)
        self.check()
        self.children.remove(task)

    def watch(self) -> Never:
        while True:
            self.check()
            time.sleep(POLL_SECONDS)

    def _stop(self, child: Child) -> None:
        """Send SIGTERM. After ``STOP_SECONDS`` or another Ctrl-C, send SIGKILL to the process group."""
        requests, deadline = self.stop_requests, time.monotonic() + STOP_SECONDS
        child.process.terminate()
        while child.process.poll() is None and time.monotonic() < deadline and self.stop_requests == requests:
            time.sleep(POLL_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def _status(code: int) -> str:
    """Describe a return code. ``subprocess`` reports a signal as its negative number."""
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
