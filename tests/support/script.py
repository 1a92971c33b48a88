"""Run a function in a process that may fork. A test runner has threads, and forking it may hang.

Importing Django and the portal takes a second, so one server process per test runner does it once. It has no
threads and no database connections, and forks a child for each call.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import django
from django.conf import settings

from sandbox.launcher.processes import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds


def answer_of(function: str, task: dict[str, Any], *, imports: tuple[str, ...] = ()) -> Any:
    """Call ``function``, named ``module:function``, with ``task`` in a fresh process and return its result.

    Both are sent as JSON. ``imports`` are further modules that the server should have imported before it forks.
    """
    server = _server()
    request = {"function": function, "task": task, "imports": imports}
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    if not select.select([server.stdout], [], [], PATIENCE)[0]:
        server.kill()  # its children end with it
        _server.cache_clear()
        raise TimeoutError(f"{function} took more than {PATIENCE} seconds")
    answer = json.loads(server.stdout.readline())
    assert "error" not in answer, answer["error"]
    return answer["result"]


def named(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


@cache
def _server() -> subprocess.Popen[bytes]:
    """Start the server. It ends when its standard input does, with this process at the latest."""
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.stdin.close()
    server.stdout.close()
    server.wait(PATIENCE)


def _serve() -> None:
    for line in sys.stdin.buffer:
        request = json.loads(line)
        for module in request["imports"]:
            import_module(module)
        with tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as errors:
            status = _call_in_a_child(request, result, errors)
            answer = {"result": _json_in(result)} if status == 0 else {"error": _text_in(errors)}
        print(json.dumps(answer), flush=True)  # noqa: T201  the pipe to the test runner


def _call_in_a_child(request: dict[str, Any], result: BinaryIO, errors: BinaryIO) -> int:
    """Fork, and return the child's wait status. The child gets an empty data directory."""
    server = os.getpid()
    with tempfile.TemporaryDirectory(prefix="portal-script-") as data:
        function = named(request["function"])
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(errors.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            end_with_parent(server)
            settings.PORTAL_DATA_DIR, settings.PORTAL_AUDIT_DIR = Path(data), Path(data, "audit")
            random.seed()
            _call(function, request["task"], result)
        return os.waitpid(child, 0)[1]


def _call(function: Callable[..., Any], task: dict[str, Any], result: BinaryIO) -> None:
    status = 1
    try:
        result.write(json.dumps(function(task)).encode())
        result.flush()
        status = 0
    except BaseException:  # noqa: BLE001  the test runner gets its text
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _json_in(file: BinaryIO) -> Any:
    file.seek(0)
    return json.load(file)


def _text_in(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


if __name__ == "__main__":
    django.setup()
    _serve()
