"""Serve the Cerby sandbox with its demo workspace until a signal ends it: ``python -m sandbox``."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from sandbox import Sandbox
from sandbox.faults import control
from sandbox.faults.rules import ANY
from sandbox.seed import OWNER, seed_demo

if TYPE_CHECKING:
    from collections.abc import Callable

_PORTAL_KEY_NAME = "Key portal"
_PORTAL_KEY_SCOPES = (
    "read:users",
    "read:vaults",
    "read:items:secrets",
    "write:items:secrets",
    "read:items",
)
_PORTAL_KEY_LIFETIME = timedelta(days=365)
_CHAOS_RATE = 0.03


class CannotStart(Exception):
    """The sandbox cannot start; the message is a sentence for the person at the terminal."""


def main() -> int:
    """Serve the sandbox. Return the exit status."""
    try:
        serve(_arguments())
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(options: argparse.Namespace) -> None:
    """Make the workspace if it is new, then answer requests until a signal ends the process."""
    listener = _listen(options.host, options.port, "--port")
    control_listener = None
    if options.control_port is not None:
        control_listener = _listen(control.HOST, options.control_port, "--control-port")
    data_dir: Path = options.data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(data_dir / "sandbox.sqlite3")
    seed_demo(sandbox, vaults=options.vaults)
    _ensure_credential(sandbox, data_dir / "cerby-token", lambda: sandbox.issue_token(OWNER))
    _ensure_credential(sandbox, data_dir / "cerby-api-key", lambda: _portal_key(sandbox))
    print(f"The Cerby sandbox listens on {_url(listener)}")
    print(f"Its credentials for the portal are in {data_dir}")
    if control_listener is not None:
        print(f"Its control port is {_url(control_listener)}")
    if options.chaos is not None:
        print(_misbehave(sandbox, options.chaos, options.seed, options.calm))
    sys.stdout.flush()
    sandbox.gate.serves(listener)
    sandbox.close()  # a connection to SQLite must not be open across the fork
    _Server(sandbox, listener, control_listener).run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Serve a Cerby sandbox with a demo workspace."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any free port")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("var/sandbox"),
        help="the folder that keeps the workspace and its credentials; by default %(default)s",
    )
    parser.add_argument(
        "--vaults", type=int, choices=(1, 2), default=2, help="vaults of the workspace on its first run"
    )
    parser.add_argument(
        "--control-port", type=int, help="scripts the faults, on this machine only; 0 takes any free port"
    )
    parser.add_argument(
        "--chaos",
        type=float,
        nargs="?",
        const=_CHAOS_RATE,
        metavar="RATE",
        help=f"let a fault happen to this share of all requests; {_CHAOS_RATE} without a number",
    )
    parser.add_argument("--seed", type=int, help="repeat the chaos of an earlier run")
    parser.add_argument(
        "--calm", type=int, default=0, metavar="N", help="let no chaos happen to the first N requests"
    )
    return parser.parse_args()


class _Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's worker of threads, for an application that closes its port and holds its answers back."""

    def run(self) -> None:
        with self.app.control():
            super().run()

    def accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            time.sleep(0.01)  # the port is closed for a while; the poller would ask without a pause

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.app.sandbox.gate.stop()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self.app.sandbox.gate.stop()
        super().handle_quit(sig, frame)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn with one worker of eight threads on a socket that listens already."""

    def __init__(
        self, sandbox: Sandbox, listener: socket.socket, control_listener: socket.socket | None
    ) -> None:
        self.sandbox = sandbox
        self._listener = listener
        self._control_listener = control_listener
        super().__init__()

    def control(self) -> AbstractContextManager[object]:
        """Serves the control port, where there is one. In the worker: that is where the sandbox lives."""
        if self._control_listener is None:
            return nullcontext()
        return control.serve_control(self.sandbox, self._control_listener)

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": _Worker,
            "workers": 1,
            "threads": 8,
            "keepalive": 30,
            "graceful_timeout": 5,
            "control_socket_disable": True,
            "accesslog": None,
            "loglevel": "warning",
            "proc_name": "cerby-sandbox",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Sandbox:
        return self.sandbox


def _listen(host: str, port: int, option: str) -> socket.socket:
    """Raises CannotStart when the address cannot be had."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = f"Port {port} on {host} is in use: stop what uses it, or choose another with {option}."
        else:
            sentence = f"The sandbox cannot listen on {host}, port {port}: {error.strerror}."
        raise CannotStart(sentence) from error


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://{address}:{port}"


def _misbehave(sandbox: Sandbox, rate: float, seed: int | None, calm: int) -> str:
    """Set the faults; what to tell the person. Raises CannotStart for a rate that is none."""
    try:
        (rule,) = sandbox.faults.set(
            [{"route": "*", "fault": ANY, "rate": rate, "seed": seed, "after": calm}]
        )
    except ValueError as error:
        raise CannotStart(str(error)) from error
    share = f"Chaos: a fault happens to {rate:.1%} of all requests."
    return f"{share} Repeat it with --chaos {rate} --seed {rule['seed']}"


def _portal_key(sandbox: Sandbox) -> str:
    now = sandbox.clock()
    _, plain_text = sandbox.add_key(
        owner_email=OWNER,
        name=_PORTAL_KEY_NAME,
        scopes=_PORTAL_KEY_SCOPES,
        created_at=now,
        expires_at=now + _PORTAL_KEY_LIFETIME,
    )
    return plain_text


def _ensure_credential(sandbox: Sandbox, path: Path, make: Callable[[], str]) -> None:
    """Leave a credential that works at ``path``, readable by its owner only."""
    if path.exists() and sandbox.accepts(path.read_text().strip()):
        path.chmod(0o600)
        return
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(make() + "\n")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
