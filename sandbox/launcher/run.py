"""``make run``: run the portal, its worker and a Cerby sandbox as separate processes until Ctrl-C.

Reads PORT, PORTAL_DATA_DIR, DEMO_PASSWORD, DEMO_VAULTS, OIDC, CHAOS and CHAOS_SEED from the environment. If
CERBY_BASE_URL is set, the portal connects to that workspace instead: no sandbox and no demo people are
started, and all settings are passed on.
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
import shlex
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
from sandbox.launcher import provider
from sandbox.launcher.processes import Processes, RunError, end_with_parent

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
READY_SECONDS = 120  # long enough for a loaded machine; a child that ends is noticed at once
CALM_REQUESTS = 10  # enough to fetch the demo's people and keys


@dataclass(frozen=True)
class Options:
    """The options that the environment sets."""

    port: int
    data: Path
    vaults: int
    demo_password: str
    uses_real_workspace: bool
    chaos: tuple[str, ...]
    oidc: bool

    @classmethod
    def from_environment(cls) -> Options:
        return cls(
            port=_whole_number("PORT", default=8000, lowest=1, highest=65535),
            data=Path(os.environ.get("PORTAL_DATA_DIR") or ROOT / "var").absolute(),
            vaults=_whole_number("DEMO_VAULTS", default=2, lowest=1, highest=2),
            demo_password=os.environ.get("DEMO_PASSWORD") or _new_password(),
            uses_real_workspace=bool(os.environ.get("CERBY_BASE_URL")),
            chaos=_chaos(),
            oidc=_whole_number("OIDC", default=0, lowest=0, highest=1) == 1,
        )


def main() -> int:
    parent = _arguments().parent
    if parent:  # `make` may be killed without stopping its children
        end_with_parent(parent)
    os.chdir(ROOT)
    os.umask(0o077)  # only this user may read keys, logs and databases
    try:
        run(Options.from_environment())
    except KeyboardInterrupt:
        print("Stopped.")
        return 0
    except RunError as error:
        print(error, file=sys.stderr)
        return 1


def run(options: Options) -> Never:
    """Start everything and watch it. Raises KeyboardInterrupt after a signal, RunError if a child ends."""
    _check_that_port_is_free(options.port)
    if options.oidc and options.uses_real_workspace:
        raise RunError("OIDC=1 works only with the sandbox. Set PORTAL_OIDC_ISSUER to your own provider.")
    with _data_dir(options.data), Processes(options.data / "log") as processes:
        print("Starting ...", flush=True)
        env = _environment(options)
        _check_settings(env)
        if not options.uses_real_workspace:
            _start_sandbox(processes, options, env)
        if options.oidc and "PORTAL_OIDC_ISSUER" in env:
            provider.start(processes, options.data, env)
        sign_in_table = _prepare(processes, options, env)
        _start_portal(processes, options, env)
        _announce(options, env, sign_in_table)
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
    """Return the sandbox's options for CHAOS (1, or the share of requests with a fault) and CHAOS_SEED."""
    share = os.environ.get("CHAOS") or "0"
    if share == "0":
        return ()
    if not re.fullmatch(r"1|0?\.\d+", share):
        raise RunError(f"CHAOS must be 1, or a share of all requests such as 0.1, not {share!r}.")
    seed = os.environ.get("CHAOS_SEED") or str(secrets.randbelow(2**31))
    rate = () if share == "1" else (share,)
    return ("--chaos", *rate, "--calm", str(CALM_REQUESTS), "--seed", seed)


def _new_password() -> str:
    """Return 64 random bits as four groups that are easy to read and type."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _check_that_port_is_free(port: int) -> None:
    try:
        _bind(port)
    except PermissionError:
        raise RunError(f"Port {port} needs root. Choose another: make run PORT=8000") from None
    except OSError:
        raise RunError(f"Port {port} is in use. Choose another: make run PORT={port % 65535 + 1}") from None


def _bind(port: int) -> int:
    """Bind ``port``, or any free port for 0, release it and return its number."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        number: int = listener.getsockname()[1]
        return number


def _data_dir(data: Path) -> IO[str]:
    """Create the data directory and its secrets. Return the open lock file, which marks it as in use."""
    try:
        (data / "log").mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _ensure_secret(data / "secret-key", secrets.token_urlsafe(64))
        _ensure_secret(data / "peppers.json", json.dumps({"p1": secrets.token_hex(32)}))
        _ensure_secret(data / "audit-signing-key", secrets.token_hex(32))
    except BlockingIOError:
        sentence = f"The portal is already running with {data}. Set PORTAL_DATA_DIR to run a second one."
        raise RunError(sentence) from None
    except OSError as error:
        sentence = f"The data directory {data} cannot be used: {error.strerror}. Set PORTAL_DATA_DIR."
        raise RunError(sentence) from None
    return lock


def _ensure_secret(path: Path, text: str) -> None:
    """Write a secret atomically, unless the file exists."""
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(path)


def _environment(options: Options) -> dict[str, str]:
    """Return the children's environment: our own, plus the secrets in the data directory."""
    env = {name: value for name, value in os.environ.items() if name not in {"PORT", "DEMO_PASSWORD"}}
    env["PORTAL_DATA_DIR"] = str(options.data)
    env.setdefault("PORTAL_URL", f"http://localhost:{options.port}")
    if "PORTAL_SECRET_KEY" not in env:
        env.setdefault("PORTAL_SECRET_KEY_FILE", str(options.data / "secret-key"))
    if "PORTAL_PEPPERS" not in env:
        env.setdefault("PORTAL_PEPPERS_FILE", str(options.data / "peppers.json"))
    if "PORTAL_AUDIT_SIGNING_KEY" not in env:
        env.setdefault("PORTAL_AUDIT_SIGNING_KEY_FILE", str(options.data / "audit-signing-key"))
    return env if options.uses_real_workspace else _with_sandbox(env, options)


def _with_sandbox(env: dict[str, str], options: Options) -> dict[str, str]:
    """Return the environment for the sandbox, without other Cerby settings.

    The sandbox writes its credentials to the data directory, where the portal finds them.
    """
    dropped = {name for name in env if name.startswith("CERBY_")} - {"CERBY_ISSUE_MODE"}
    kept = {name: value for name, value in env.items() if name not in dropped}
    port = _free_port(options.data / "sandbox-port", options.port + 1)
    return (
        kept
        | _with_provider(options)
        | {
            "PORTAL_ENV": "demo",
            "CERBY_BASE_URL": f"http://{HOST}:{port}",
            "CERBY_WORKSPACE": "contenzilla",
        }
    )


def _with_provider(options: Options) -> dict[str, str]:
    """Return the settings for the demo's sign-in provider, or say what it needs."""
    if not options.oidc:
        return {}
    if sentence := provider.missing():
        print(sentence, file=sys.stderr)
        return {}
    return provider.settings_for(_free_port(options.data / "provider-port", options.port + 2))


def _free_port(path: Path, preferred: int) -> int:
    """Return a free port: that of an earlier run, else ``preferred``, else any. Store it in ``path``."""
    earlier = path.read_text() if path.exists() else ""
    for candidate in (earlier, preferred, 0):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            port = _bind(int(candidate))
            path.write_text(str(port))
            return port
    raise RunError("No port is free for the sandbox or the sign-in provider.")


def _check_settings(env: dict[str, str]) -> None:
    """Raise RunError with one sentence if a setting is wrong, before a child fails with a traceback."""
    os.environ.clear()
    os.environ.update(env)
    try:
        conf.read()
    except ImproperlyConfigured as error:
        raise RunError(str(error)) from None


def _start_sandbox(processes: Processes, options: Options, env: dict[str, str]) -> None:
    url = urlsplit(env["CERBY_BASE_URL"])
    command = [sys.executable, "-m", "sandbox", "--port", str(url.port)]
    command += ["--data-dir", str(options.data / "sandbox"), "--vaults", str(options.vaults)]
    command += options.chaos
    sandbox = processes.start("sandbox", command, env)
    processes.wait_until_ready(sandbox, lambda: _is_up(url, url.port, "/healthz"), READY_SECONDS)


def _prepare(processes: Processes, options: Options, env: dict[str, str]) -> str:
    """Run sandbox.launcher.prepare and return the sign-in table that it prints."""
    command = [sys.executable, "-m", "sandbox.launcher.prepare"]
    if not options.uses_real_workspace:
        command.append("--with-demo")
        env = env | {"DEMO_PASSWORD": options.demo_password}
    with tempfile.TemporaryFile() as output:  # has no name, because it holds the demo password
        processes.wait_until_done(processes.start("preparation", command, env, is_task=True, stdout=output))
        output.seek(0)
        return output.read().decode().strip()


def _start_portal(processes: Processes, options: Options, env: dict[str, str]) -> None:
    url = urlsplit(env["PORTAL_URL"])
    command = [sys.executable, "-m", "gunicorn", "--config", "portal/gunicorn.conf.py"]
    command += ["--bind", f"{HOST}:{options.port}", "portal.wsgi:application"]
    processes.start("worker", [sys.executable, "manage.py", "worker"], env)
    portal = processes.start("portal", command, env)
    processes.wait_until_ready(portal, lambda: _is_up(url, options.port, "/livez"), READY_SECONDS)


def _is_up(url: SplitResult, port: int | None, path: str) -> bool:
    """Return whether ``path`` answers 200 on this machine's ``port``, if requested under ``url``."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": url.netloc, "X-Forwarded-Proto": url.scheme})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _next_step(env: dict[str, str]) -> str:
    """Say how to sign in to a portal without demo people, with the variables that the command needs."""
    names = (
        "PORTAL_DATA_DIR",
        "PORTAL_URL",
        "PORTAL_SECRET_KEY_FILE",
        "PORTAL_PEPPERS_FILE",
        "PORTAL_AUDIT_SIGNING_KEY_FILE",
    )
    given = " ".join(f"{name}={shlex.quote(env[name])}" for name in names if name in env)
    return (
        "Next: give yourself access. In another terminal with the same settings, run this command with your\n"
        "email in Cerby. It prints a link with which you set a password:\n\n"
        f"  {given} .venv/bin/python manage.py add_person YOUR-EMAIL"
    )


def _announce(options: Options, env: dict[str, str], sign_in_table: str) -> None:
    cerby = "Cerby" if options.uses_real_workspace else "Cerby sandbox"
    print(f"\nCerby Key Portal: {env['PORTAL_URL']}/")
    print(f"{cerby}: {env['CERBY_BASE_URL']}")
    if options.oidc and "PORTAL_OIDC_ISSUER" in env:
        print(f"Sign-in provider: {env['PORTAL_OIDC_ISSUER']} (choose “Sign in with SSO”)")
    print(f"Data and logs: {options.data}\n")
    if sign_in_table:
        print(f"{sign_in_table}\n")
    if options.uses_real_workspace:
        print(f"{_next_step(env)}\n")
    if options.chaos:
        print(f"Chaos: the sandbox misbehaves. CHAOS_SEED={options.chaos[-1]} repeats this run.\n")
    print("Ctrl-C stops everything.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
