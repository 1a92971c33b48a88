"""Serves a Cerby sandbox with the demo workspace, until it is stopped."""

from __future__ import annotations

import errno
import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from gunicorn.app.base import BaseApplication

from keys.cerby.sandbox import Sandbox
from keys.cerby.sandbox.seed import OWNER, seed_demo

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


class Command(BaseCommand):
    help = "Serve a Cerby sandbox with a demo workspace."
    requires_system_checks = ()  # it needs neither the portal's database nor its settings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8001, help="0 takes any free port")
        parser.add_argument(
            "--data-dir", type=Path, required=True, help="where the workspace and its credentials are kept"
        )
        parser.add_argument(
            "--vaults", type=int, choices=(1, 2), default=2, help="vaults of the workspace on its first run"
        )

    def handle(
        self, *, host: str, port: int, data_dir: Path, vaults: int, verbosity: int, **_others: Any
    ) -> None:
        listener = _listen(host, port)
        data_dir.mkdir(parents=True, exist_ok=True)
        sandbox = Sandbox(data_dir / "sandbox.sqlite3")
        seed_demo(sandbox, vaults=vaults)
        _ensure_credential(sandbox, data_dir / "cerby-token", lambda: sandbox.issue_token(OWNER))
        _ensure_credential(sandbox, data_dir / "cerby-api-key", lambda: _portal_key(sandbox))
        if verbosity:
            address, taken_port = listener.getsockname()[:2]
            self.stdout.write(f"The Cerby sandbox listens on http://{address}:{taken_port}")
            self.stdout.write(f"Its credentials for the portal are in {data_dir}")
            self.stdout.flush()
        sandbox.close()  # a connection to SQLite must not live on across the fork
        _Server(sandbox, listener).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn with one worker of eight threads on a socket that listens already."""

    def __init__(self, sandbox: Sandbox, listener: socket.socket) -> None:
        self._sandbox = sandbox
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": "gthread",
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
        return self._sandbox


def _listen(host: str, port: int) -> socket.socket:
    """Raises CommandError when the address cannot be had."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = f"Port {port} on {host} is in use: stop what uses it, or choose another with --port."
        else:
            sentence = f"The sandbox cannot listen on {host}, port {port}: {error.strerror}."
        raise CommandError(sentence) from error


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
