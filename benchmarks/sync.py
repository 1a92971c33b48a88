"""Measure a sweep's time, queries, calls and memory with 1,000 and 10,000 keys."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from benchmarks.costs import Cost, costing
from benchmarks.databases import connect, using
from keys.actions.sync.sweep import sweep
from sandbox import Sandbox, api_keys
from sandbox.moments import stamp
from sandbox.seed import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW, MANY = 1_000, 10_000
OWNERS = 300
_ROOT = Path(__file__).resolve().parent.parent
_CHANGE_EVERY_KEY = "UPDATE api_keys SET scopes = 'read:items'"
_USE_EVERY_KEY = "UPDATE api_keys SET last_used_at = '{now}'"
_REMOVE_EVERY_KEY = "UPDATE api_keys SET removed_at = '{now}' WHERE name <> 'Key portal'"


@dataclass(frozen=True)
class Sweep:
    """The cost of a sweep and its requests to the database and to Cerby."""

    cost: Cost
    queries: int
    calls: int


class Workspace:
    """A sandbox process with ``size`` keys, and an empty portal that uses it."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self.sandbox = Sandbox(folder / "sandbox.sqlite3")
        owners = [
            self.sandbox.add_person(email=OWNER, first_name="The", last_name="Owner", role="workspace_owner")
        ]
        for number in range(1, OWNERS):
            email = f"robot-{number}@contenzilla.example"
            owners.append(
                self.sandbox.add_person(email=email, first_name="A", last_name="Robot", role="workspace_user")
            )
        now = self.sandbox.clock()
        with self.sandbox.store.transaction() as db:
            for number, owner in zip(range(size - 1), itertools.cycle(owners)):
                api_keys.add(
                    db,
                    owner_id=owner,
                    name=f"billing deploy production {number:06}",
                    scopes=["read:users", "read:items"],
                    created_at=stamp(now - timedelta(days=30, seconds=number)),
                    expires_at=stamp(now + timedelta(days=90)),
                )

    def _person(self, email: str, role: str) -> str:
        return self.sandbox.add_person(email=email, first_name="A", last_name="Robot", role=role)

    def happens(self, statement: str) -> None:
        with self.sandbox.store.transaction() as db:
            db.execute(statement.format(now=stamp(self.sandbox.clock())))

    @contextmanager
    def open(self) -> Iterator[None]:
        database = connect(self._folder / "portal.sqlite3")
        command = [sys.executable, "-m", "sandbox", "--port=0", f"--data-dir={self._folder}"]
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
            try:
                assert process.stdout is not None
                url = re.search(r"http://\S+", process.stdout.readline())
                assert url is not None
                token = (self._folder / "cerby-token").read_text().strip()
                with using(database), override_settings(CERBY_BASE_URL=url[0], CERBY_TOKEN=token):
                    call_command("migrate", verbosity=0)
                    yield
            finally:
                process.terminate()


def show() -> None:
    """Print each case with few and many keys, and the ratio."""
    print("| what Cerby has to say | keys | s | of which busy | queries | calls | memory grew by, MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    sweeps = {size: _all(size) for size in (FEW, MANY)}
    for name in sweeps[FEW]:
        for size in (FEW, MANY):
            one = sweeps[size][name]
            _line(name, f"{size:,}", f"{one.cost.seconds:.1f}", f"{one.cost.busy:.1f}", f"{one.queries:,}",
                  f"{one.calls}", f"{one.cost.megabytes:.1f}")  # fmt: skip
        few, many = sweeps[FEW][name], sweeps[MANY][name]
        _line(name, _times(FEW, MANY), _times(few.cost.seconds, many.cost.seconds),
              _times(few.cost.busy, many.cost.busy), _times(few.queries, many.queries),
              _times(few.calls, many.calls), "")  # fmt: skip


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _times(few: float, many: float) -> str:
    return f"x {many / few:.1f}"


def _all(size: int) -> dict[str, Sweep]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), size)
        with workspace.open():
            sweeps = {"every key is new": _sweep(workspace), "nothing is new": _sweep(workspace)}
            for name, statement in {
                "every key was used": _USE_EVERY_KEY,
                "every key has other scopes": _CHANGE_EVERY_KEY,
                "every key was removed": _REMOVE_EVERY_KEY,
            }.items():
                workspace.happens(statement)
                sweeps[name] = _sweep(workspace)
        workspace.sandbox.close()
    return sweeps


def _sweep(workspace: Workspace) -> Sweep:
    queries = 0

    def count(execute: Callable[..., Any], *query: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*query)

    calls = _calls(workspace)
    with connection.execute_wrapper(count), costing() as cost:
        print(f"  {sweep()}", file=sys.stderr)
    return Sweep(cost, queries, _calls(workspace) - calls)


def _calls(workspace: Workspace) -> int:
    with workspace.sandbox.store.transaction() as db:
        return int(db.execute("SELECT max(id) FROM journal").fetchone()[0] or 0)
