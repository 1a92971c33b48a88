"""Run the portal, and a Cerby sandbox beside it, as real processes until Ctrl-C: what `make run` starts.

Reads PORT, PORTAL_DATA_DIR, DEMO_PASSWORD, DEMO_VAULTS, CHAOS and CHAOS_SEED from the environment. Where
CERBY_BASE_URL is set, the portal speaks to that workspace instead: no sandbox, no demo people, all settings
passed on.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Never
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

from portal import conf
from sandbox.launcher.processes import Processes, RunError, end_with_parent

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
READY_SECONDS = 120  # a loaded machine; a child that ends is noticed at once
CALM_REQUESTS = 10  # with which the demo's people and keys are fetched


@dataclass(frozen=True)
class Choices:
    """What the person chose through the environment."""

    port: int
    data: Path
    vaults: int
    demo_password: str
    has_own_workspace: bool
    chaos: tuple[str, ...]

    @classmethod
    def from_environment(cls) -> Choices:
        return cls(
            port=_whole_number("PORT", default=8000, lowest=1, highest=65535),
            data=Path(os.environ.get("PORTAL_DATA_DIR") or ROOT / "var").absolute(),
            vaults=_whole_number("DEMO_VAULTS", default=2, lowest=1, highest=2),
            demo_password=os.environ.get("DEMO_PASSWORD") or _new_password(),
            has_own_workspace=bool(os.environ.get("CERBY_BASE_URL")),
            chaos=_chaos(),
        )


def main() -> int:
    parent = _arguments().parent
    if parent:  # `make` may be killed without a word to its children
        end_with_parent(parent)
    os.chdir(ROOT)
    os.umask(0o077)  # keys, logs and databases are for this person alone
    try:
        run(Choices.from_environment())
    except KeyboardInterrupt:
        print("Stopped.")
        return 0
    except RunError as failure:
        print(failure, file=sys.stderr)
        return 1


def run(choices: Choices) -> Never:
    """Start everything and watch it; a signal raises KeyboardInterrupt, a child's end RunError."""
    _check_that_port_is_free(choices.port)
    with _data_dir(choices.data), Processes(choices.data / "log") as processes:
        print("Starting ...", flush=True)
        env = _environment(choices)
        _check_settings(env)
        if not choices.has_own_workspace:
            _start_sandbox(processes, choices, env)
        sign_in_table = _prepare(processes, choices, env)
        _start_portal(processes, choices, env)
        _announce(choices, env, sign_in_table)
        processes.watch()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.launcher.run", description=__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this parent process is gone")
    return parser.parse_args()


def _whole_number(name: str, *, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise RunError(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}.")
    return int(text)


def _chaos() -> tuple[str, ...]:
    """The sandbox's options for CHAOS, 1 or the share of requests that a fault happens to, and CHAOS_SEED."""
    share = os.environ.get("CHAOS") or "0"
    if share == "0":
        return ()
    if not re.fullmatch(r"1|0?\.\d+", share):
        raise RunError(f"CHAOS must be 1, or a share of all requests such as 0.1, not {share!r}.")
    seed = os.environ.get("CHAOS_SEED") or str(secrets.randbelow(2**31))
    rate = () if share == "1" else (share,)
    return ("--chaos", *rate, "--calm", str(CALM_REQUESTS), "--seed", seed)


def _new_password() -> str:
    """64 random bits in four groups that can be read out and typed."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _check_that_port_is_free(port: int) -> None:
    try:
        _bind(port)
    except PermissionError:
        raise RunError(
            f"Port {port} is not for ordinary people. Choose another: make run PORT=8000"
        ) from None
    except OSError:
        raise RunError(f"Port {port} is in use. Choose another: make run PORT={port % 65535 + 1}") from None


def _bind(port: int) -> int:
    """Bind a port, or any free one for 0, let go of it and return its number."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        number: int = listener.getsockname()[1]
        return number


def _data_dir(data: Path) -> IO[str]:
    """Make the data directory with its secrets; return the open file whose lock says that it is in use."""
    try:
        (data / "log").mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _keep_secret(data / "secret-key", secrets.token_urlsafe(64))
        _keep_secret(data / "peppers.json", json.dumps({"p1": secrets.token_hex(32)}))
        _keep_secret(data / "audit-signing-key", secrets.token_hex(32))
    except BlockingIOError:
        sentence = f"The portal is already running on {data}. Set PORTAL_DATA_DIR to run a second one."
        raise RunError(sentence) from None
    except OSError as error:
        sentence = f"The data directory {data} cannot be used: {error.strerror}. Set PORTAL_DATA_DIR."
        raise RunError(sentence) from None
    return lock


def _keep_secret(path: Path, text: str) -> None:
    """Write a secret once; an earlier one stays. It appears whole or not at all."""
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(path)


def _environment(choices: Choices) -> dict[str, str]:
    """The children's environment: the person's own, completed by what the data directory holds."""
    env = {name: value for name, value in os.environ.items() if name not in {"PORT", "DEMO_PASSWORD"}}
    env["PORTAL_DATA_DIR"] = str(choices.data)
    env.setdefault("PORTAL_URL", f"http://localhost:{choices.port}")
    if "PORTAL_SECRET_KEY" not in env:
        env.setdefault("PORTAL_SECRET_KEY_FILE", str(choices.data / "secret-key"))
    if "PORTAL_PEPPERS" not in env:
        env.setdefault("PORTAL_PEPPERS_FILE", str(choices.data / "peppers.json"))
    if "PORTAL_AUDIT_SIGNING_KEY" not in env:
        env.setdefault("PORTAL_AUDIT_SIGNING_KEY_FILE", str(choices.data / "audit-signing-key"))
    return env if choices.has_own_workspace else _for_sandbox(env, choices)


def _for_sandbox(env: dict[str, str], choices: Choices) -> dict[str, str]:
    """The sandbox leaves its credentials in the data directory, where the portal finds them by itself."""
    sandboxed = {name for name in env if name.startswith("CERBY_")} - {"CERBY_ISSUE_MODE"}
    kept = {name: value for name, value in env.items() if name not in sandboxed}
    port = _sandbox_port(choices.data / "sandbox-port", choices.port + 1)
    return kept | {
        "PORTAL_ENV": "demo",
        "CERBY_BASE_URL": f"http://{HOST}:{port}",
        "CERBY_WORKSPACE": "contenzilla",
    }


def _sandbox_port(memory: Path, wish: int) -> int:
    """The port of an earlier run, else the one wished for, else any: the first of them that is free."""
    earlier = memory.read_text() if memory.exists() else ""
    for candidate in (earlier, wish, 0):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            port = _bind(int(candidate))
            memory.write_text(str(port))
            return port
    raise RunError("No port is free for the sandbox.")


def _check_settings(env: dict[str, str]) -> None:
    """Say in a sentence what is wrong with the settings, before a child says it in a traceback."""
    os.environ.clear()
    os.environ.update(env)
    try:
        conf.read()
    except ImproperlyConfigured as error:
        raise RunError(str(error)) from None


def _start_sandbox(processes: Processes, choices: Choices, env: dict[str, str]) -> None:
    url = urlsplit(env["CERBY_BASE_URL"])
    command = [sys.executable, "-m", "sandbox", "--port", str(url.port)]
    command += ["--data-dir", str(choices.data / "sandbox"), "--vaults", str(choices.vaults)]
    command += choices.chaos
    sandbox = processes.start("sandbox", command, env)
    processes.wait_until_ready(sandbox, lambda: _answers(url, url.port, "/healthz"), READY_SECONDS)


def _prepare(processes: Processes, choices: Choices, env: dict[str, str]) -> str:
    """Run sandbox.launcher.prepare and return what it has to tell the person: the sign-in table."""
    command = [sys.executable, "-m", "sandbox.launcher.prepare"]
    if not choices.has_own_workspace:
        command.append("--with-demo")
        env = env | {"DEMO_PASSWORD": choices.demo_password}
    with tempfile.TemporaryFile() as answer:  # unlinked from the start: it holds the demo password
        processes.wait_until_done(processes.start("preparation", command, env, is_task=True, stdout=answer))
        answer.seek(0)
        return answer.read().decode().strip()


def _start_portal(processes: Processes, choices: Choices, env: dict[str, str]) -> None:
    url = urlsplit(env["PORTAL_URL"])
    command = [sys.executable, "-m", "gunicorn", "--config", "portal/gunicorn.conf.py"]
    command += ["--bind", f"{HOST}:{choices.port}", "portal.wsgi:application"]
    processes.start("worker", [sys.executable, "manage.py", "worker"], env)
    portal = processes.start("portal", command, env)
    processes.wait_until_ready(portal, lambda: _answers(url, choices.port, "/livez"), READY_SECONDS)


def _answers(url: SplitResult, port: int | None, path: str) -> bool:
    """Whether the process on ``port`` of this machine, asked as if through ``url``, says 200 at ``path``."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": url.netloc, "X-Forwarded-Proto": url.scheme})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(choices: Choices, env: dict[str, str], sign_in_table: str) -> None:
    cerby = "Cerby" if choices.has_own_workspace else "Cerby sandbox"
    print(f"\nCerby Key Portal: {env['PORTAL_URL']}/")
    print(f"{cerby}: {env['CERBY_BASE_URL']}")
    print(f"Data and logs: {choices.data}\n")
    if sign_in_table:
        print(f"{sign_in_table}\n")
    if choices.chaos:
        print(f"Chaos: the sandbox misbehaves. CHAOS_SEED={choices.chaos[-1]} repeats what it does.\n")
    print("Ctrl-C stops everything.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
