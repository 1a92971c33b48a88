"""``python -m sandbox``: serve the demo workspace over HTTP until a signal ends the process."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sqlite3
import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

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
    """The sandbox cannot start. The message is a sentence for the person at the terminal."""


def main() -> int:
    """Serve the sandbox and return the exit status."""
    try:
        serve(_arguments())
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(options: argparse.Namespace) -> None:
    """Create the workspace if it is new, then answer requests until a signal ends the process."""
    listener = _listen(options.host, options.port, "--port")
    control_listener = None
    if options.control_port is not None:
        control_listener = _listen(control.HOST, options.control_port, "--control-port")
    sandbox = _open(options.data_dir, options.vaults)
    print(f"The Cerby sandbox listens on {_url(listener)}")
    print(f"Its credentials for the portal are in {options.data_dir}")
    if control_listener is not None:
        print(f"Its control port is {_url(control_listener)}")
    if options.chaos is not None:
        seed = _start_chaos(sandbox, options.chaos, options.seed, options.calm)
        print(
            f"Chaos: a fault happens to {options.chaos:.1%} of all requests."
            f" Repeat it with --chaos {options.chaos} --seed {seed}"
        )
    sys.stdout.flush()
    sandbox.gate.attach(listener)
    sandbox.close()  # a connection to SQLite must not be open across the fork
    _Server(sandbox, listener, control_listener).run()


class _Parser(argparse.ArgumentParser):
    """A parser that reports a wrong option in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="python -m sandbox", description="Serve a Cerby sandbox with a demo workspace.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; default %(default)s")
    parser.add_argument("--port", type=_port, default=8001, help="default %(default)s; 0 takes any free port")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("var/sandbox"),
        help="the folder for the workspace and its credentials; default %(default)s",
    )
    parser.add_argument(
        "--vaults",
        type=int,
        choices=(1, 2),
        default=2,
        help="the number of vaults; counts on the first run only; default %(default)s",
    )
    parser.add_argument(
        "--control-port",
        type=_port,
        help="open a port on this machine for setting the faults; 0 takes any free port",
    )
    parser.add_argument(
        "--chaos",
        type=_share,
        nargs="?",
        const=_CHAOS_RATE,
        metavar="RATE",
        help=f"let a fault happen to this share of all requests; {_CHAOS_RATE} without a number",
    )
    parser.add_argument("--seed", type=int, help="repeat the chaos of an earlier run")
    parser.add_argument(
        "--calm", type=_count, default=0, metavar="N", help="let no chaos happen to the first N requests"
    )
    return parser.parse_args()


def _port(text: str) -> int:
    return _number(text, highest=65_535)


def _count(text: str) -> int:
    return _number(text, highest=10**9)


def _number(text: str, highest: int) -> int:
    if not text.isdecimal() or int(text) > highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {highest}")
    return int(text)


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (share := float(text)) <= 1:
            return share
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")


def _open(data_dir: Path, vaults: int) -> Sandbox:
    """Return the sandbox in ``data_dir``. Create the folder, the workspace and the credentials if needed.

    Raises CannotStart if the folder or a file in it cannot be used.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        sandbox = Sandbox(data_dir / "sandbox.sqlite3")
        seed_demo(sandbox, vaults=vaults)
        _ensure_credential(sandbox, data_dir / "cerby-token", lambda: sandbox.issue_token(OWNER))
        _ensure_credential(sandbox, data_dir / "cerby-api-key", lambda: _portal_key(sandbox))
    except OSError as error:
        reason = error.strerror
    except sqlite3.Error as error:
        reason = f"sandbox.sqlite3: {error}"
    else:
        return sandbox
    raise CannotStart(f"The data folder {data_dir} cannot be used ({reason}). Choose one with --data-dir.")


class _Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A gunicorn worker with threads that copes with a closed port and ends hanging responses on a stop."""

    def run(self) -> None:
        with self.app.control():
            super().run()

    def accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            time.sleep(0.01)  # a fault closed the port; without a pause, the poller would spin

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.app.sandbox.gate.stop()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        # Gunicorn would shut the thread pool down in the signal handler. That never returns if the signal
        # interrupts the main thread while it hands a request to the pool, because the pool's lock is taken.
        self.handle_exit(sig, frame)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn with one worker of eight threads on a socket that already listens."""

    def __init__(
        self, sandbox: Sandbox, listener: socket.socket, control_listener: socket.socket | None
    ) -> None:
        self.sandbox = sandbox
        self._listener = listener
        self._control_listener = control_listener
        super().__init__()

    def control(self) -> AbstractContextManager[object]:
        """Serve the control port, if it was asked for. Call it in the worker, which holds the faults."""
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
    """Return a socket that listens. Raises CannotStart if the address cannot be used."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = f"Port {port} on {host} is in use. Choose another with {option}."
        else:
            sentence = f"The sandbox cannot listen on {host}, port {port} ({error.strerror})."
        raise CannotStart(sentence) from error


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://{address}:{port}"


def _start_chaos(sandbox: Sandbox, rate: float, seed: int | None, calm: int) -> int:
    """Let any fault happen at ``rate`` and return the seed, which is drawn if ``seed`` is None."""
    (rule,) = sandbox.faults.set([{"route": "*", "fault": ANY, "rate": rate, "seed": seed, "after": calm}])
    return int(rule["seed"])


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
    """Make sure that ``path`` holds a working credential that only the file's owner can read."""
    if path.exists() and sandbox.accepts(path.read_text(errors="replace").strip()):
        path.chmod(0o600)
        return
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(make() + "\n")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
