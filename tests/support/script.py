"""Runs a function in a process of its own that may fork: a test runner has threads, and forking it may hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds


def answer_of(function: str, task: dict[str, Any]) -> Any:
    """What ``function``, named ``module:function``, answers to ``task``. Both are JSON on their way."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, function],
        input=json.dumps(task),
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def named(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


def main() -> None:
    django.setup()
    json.dump(named(sys.argv[1])(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
