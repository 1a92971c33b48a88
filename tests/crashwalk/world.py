"""Set up the cases: one sandbox, and a database and a workspace for each job."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from keys import cerby
from keys.actions.safeguards import rollback_guard
from keys.actions.sync.sweep import sweep
from keys.audit import node
from keys.models import User
from tests import cast as people
from tests.conftest import Workspace
from tests.crashwalk.clock import BEGINNING, Clock, hurry
from tests.crashwalk.databases import databases
from tests.crashwalk.jobs import JOBS, Facts, Stage
from tests.crashwalk.life import Fate, Life, Lives
from tests.crashwalk.oracle import Before, Upstream
from tests.crashwalk.sandbox_process import SandboxProcess
from tests.support import own_database

IN_MEMORY = Path("/dev/shm")
"""Used if it exists, so that no case waits for a disk. No case tests a power failure."""

EMPTY = "empty"

A_MOMENT = timedelta(minutes=1)
"""The time between setting the scene and the job, so that everything due is overdue."""


@dataclass(frozen=True)
class Scene:
    """The data of a job, and the state before it."""

    facts: Facts
    before: Before


class World:
    """Create this in a process without threads. For ``kind`` and ``migrated``, see ``databases``."""

    def __init__(self, kind: str = "sqlite", migrated: Path | None = None) -> None:
        self._open = ExitStack()
        self._folder = Path(
            tempfile.mkdtemp(prefix="crashwalk-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        )
        self._open.callback(shutil.rmtree, self._folder)
        self._be_a_node_of_its_own()
        self._databases = self._open.enter_context(databases(kind, self._folder, migrated))
        workspace = Workspace(self._folder / "sandbox.sqlite3")
        workspace.sandbox.close()  # a connection to SQLite must not survive a fork
        self.sandbox = SandboxProcess(self._folder / "sandbox.sqlite3")
        self.clock = Clock(self.sandbox)
        hurry()
        settings.CERBY_BASE_URL, settings.CERBY_TOKEN = self.sandbox.url, workspace.token
        settings.CERBY_API_KEY = workspace.api_key
        self._vaults = workspace.vaults
        self._before_any_job(workspace)
        self.scene = cache(self._set)
        cerby.connect()._exchange.close()  # a connection to Cerby must not survive a fork either
        cerby._client.cache_clear()
        self._lives = Lives()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lives.close()
        self.sandbox.close()
        self._open.close()

    def live(self, job: str, *, meanwhile: Callable[[], None] = lambda: None, **fate: Any) -> Life:
        """Run ``job`` in a process; see ``Fate`` and ``Lives.live``."""
        return self._lives.live(
            Fate(job, self.scene(job).facts, self._databases.address(job), **fate), meanwhile
        )

    def set_again(self, job: str) -> None:
        """Set the scene of ``job`` for the next case, on a new node."""
        self.scene(job)
        _forget_node()
        self._databases.back_to(job)
        self._back_to(job, BEGINNING + A_MOMENT)

    def using_database_of(self, job: str) -> AbstractContextManager[None]:
        """Use the database of ``job`` in this process, in the block."""
        return self._databases.using(job)

    def plain_text(self, job: str) -> list[str]:
        """Return the places in the database of ``job`` that contain an API key's plain text."""
        return self._databases.plain_text(job)

    def upstream(self, since: int) -> Upstream:
        requests = [one for one in self.sandbox.journal() if one["sequence"] > since]
        return Upstream(self.sandbox.api_keys(), requests)

    def _back_to(self, name: str, moment: datetime) -> None:
        self.sandbox.back_to(name)
        self.clock.set(moment)

    def _be_a_node_of_its_own(self) -> None:
        """Give this process its own data folder: what one walk notes there would hold back the others."""
        for name in ("PORTAL_DATA_DIR", "PORTAL_AUDIT_DIR"):
            self._open.callback(setattr, settings, name, getattr(settings, name))
        settings.PORTAL_DATA_DIR = self._folder / "data"
        settings.PORTAL_AUDIT_DIR = settings.PORTAL_DATA_DIR / "audit"
        settings.PORTAL_DATA_DIR.mkdir()

    def _before_any_job(self, workspace: Workspace) -> None:
        """Create the cast, and discover the portal's own key."""
        database = self._databases.make(EMPTY)
        self.clock.set(BEGINNING)
        with own_database.using(database):
            people.people_in_portal(workspace.ids)
            sweep()
        self.sandbox.keep(EMPTY)

    def _set(self, job: str) -> Scene:
        """Set the scene of ``job`` for the first time, and save it."""
        self._databases.copy(EMPTY, job)
        self._back_to(EMPTY, BEGINNING)
        with self._databases.using(job):
            members: dict[str, Any] = {
                name: User.objects.get(email=people.email_of(name)) for name in people.MEMBERS
            }
            cast = people.Cast(**members)
            facts = JOBS[job].prepare(Stage(cast, self.sandbox, self._vaults))
            before = Before.now(self.sandbox.journal())
        self._databases.keep(job)
        self.sandbox.keep(job)
        return Scene(facts, before)


def _forget_node() -> None:
    """Delete the files that would show that the database is older than this node."""
    for name in (rollback_guard.FILE_NAME, node.FILE):
        (Path(settings.PORTAL_DATA_DIR) / name).unlink(missing_ok=True)
