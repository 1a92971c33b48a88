"""`python -m tests.support.many_rotations`: let many processes rotate each key, and end each rotation, at once.

The normal tests do the same with few processes and keys. A naive version must be noticed in each race.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.conf import settings  # noqa: E402 - models can be imported only now
from django.test import override_settings  # noqa: E402

from keys.models import ApiKey, AuditEvent, Rotation, User  # noqa: E402
from keys.rules.batches import batches  # noqa: E402
from keys.rules.lifecycle import HOLDS_ITS_NAME, State  # noqa: E402
from tests.cast import a_key, email_of, people_in_portal  # noqa: E402
from tests.conftest import Workspace  # noqa: E402
from tests.crashwalk.sandbox_process import SandboxProcess  # noqa: E402
from tests.domain.rotation import test_race as races  # noqa: E402
from tests.support import own_database, racing  # noqa: E402
from tests.support.own_database import Address  # noqa: E402
from tests.support.postgresql_server import serving  # noqa: E402

Subject = dict[str, Any]

AT_ONCE = 10
"""Subjects in one race. The processes of a race have a limited time."""


@contextmanager
def sqlite() -> Iterator[Address]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "portal.sqlite3")


@contextmanager
def postgresql() -> Iterator[Address]:
    with serving() as server:
        server.create("races")
        yield server.url("races")


KINDS = {"sqlite": sqlite, "postgresql": postgresql}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.many_rotations", description=__doc__)
    parser.add_argument("--processes", type=int, default=24)
    parser.add_argument("--rotations", type=int, default=300)
    parser.add_argument("--database", choices=KINDS, help="only on this kind")
    asked = parser.parse_args()
    kinds = [asked.database] if asked.database else list(KINDS)
    sound = [_are_sound(kind, asked.processes, asked.rotations) for kind in kinds]
    sys.exit(0 if all(sound) else 1)


def _are_sound(kind: str, processes: int, rotations: int) -> bool:
    with tempfile.TemporaryDirectory() as folder, KINDS[kind]() as database:
        workspace = Workspace(Path(folder, "sandbox.sqlite3"))
        workspace.sandbox.close()  # a connection to SQLite must not survive a fork
        sandbox = SandboxProcess(Path(folder, "sandbox.sqlite3"))
        facts: dict[str, Any] = {"CERBY_BASE_URL": sandbox.url, "CERBY_TOKEN": workspace.token}
        facts |= {"CERBY_API_KEY": workspace.api_key, "PORTAL_DATA_DIR": Path(folder, "data")}
        with override_settings(**facts, PORTAL_AUDIT_DIR=Path(folder, "data", "audit")):
            settings.PORTAL_DATA_DIR.mkdir()
            own_database.create(database)
            with own_database.using(database):
                people_in_portal(workspace.ids)
            sound = [
                Many(kind, database, processes, rotations, *one).is_sound()
                for one in (("start", _a_key, _one_began), ("end", _overlapping, _one_ended))
            ]
        sandbox.close()
    return all(sound)


@dataclass
class Many:
    """A race of ``processes`` for each of ``rotations``, and the naive version of it.

    ``runner`` is a function of test_race.py, ``prepare`` creates what it is called with, and ``is_right`` checks
    the result.
    """

    kind: str
    database: Address
    processes: int
    rotations: int
    runner: str
    prepare: Callable[[User], Subject]
    is_right: Callable[[Subject, list[str]], bool]

    def is_sound(self) -> bool:
        """Return whether each race of the portal has the right result, and that of the naive version has not."""
        started, told, wrong, noticed = time.monotonic(), Counter[str](), 0, False
        for some in batches(self._subjects(), AT_ONCE):
            task = {"database": str(self.database), "runner": f"{races.__name__}:{self.runner}"}
            outcomes = racing.run(task | {"subjects": some, "processes": self.processes})
            for subject, each in zip(some, outcomes, strict=True):
                with own_database.using(self.database):
                    right = self.is_right(subject, each)
                if subject["way"] == "naive":
                    noticed = not right
                    continue
                told.update(each)
                if not right:
                    wrong += 1
                    _say(f"{self.kind}: WRONG: {subject}: {Counter(each)}")
        minutes = (time.monotonic() - started) / 60
        outcomes_in_words = ", ".join(f"{number:,} {name}" for name, number in sorted(told.items()))
        _say(
            f"{self.kind}, {self.runner}: {self.processes} processes x {self.rotations} rotations: "
            f"{outcomes_in_words}; {wrong} wrong; the naive version was {'noticed' if noticed else 'NOT NOTICED'}; "
            f"{minutes:.1f} minutes"
        )
        return noticed and not wrong

    def _subjects(self) -> Iterator[Subject]:
        """Yield what the races are about, the naive version last. No connection stays open between two."""
        for way in ["portal"] * self.rotations + ["naive"]:
            with own_database.using(self.database):
                made = self.prepare(User.objects.get(email=email_of("admin")))
            yield {"way": way, **made, "settings": races.settings_of_race()}


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - a command


def _a_key(owner: User) -> Subject:
    return {"key": str(a_key(owner).pk)}


def _overlapping(owner: User) -> Subject:
    return {"rotation": str(races.overlapping(owner).pk)}


def _one_began(subject: Subject, told: list[str]) -> bool:
    old = ApiKey.objects.get(pk=UUID(subject["key"]))
    events = AuditEvent.objects.filter(key_id=old.pk, type="rotation:start").count()
    in_use = ApiKey.objects.filter(lineage=old.pk, state__in=HOLDS_ITS_NAME).count()
    return (told.count("started"), events, in_use) == (1, 1, 2)


def _one_ended(subject: Subject, told: list[str]) -> bool:
    rotation = Rotation.objects.select_related("old", "new").get(pk=subject["rotation"])
    ended = [name for name in told if name in {"retire", "abandon", "kill"}]
    events = AuditEvent.objects.filter(key_id=rotation.old_id, type__in=races.ENDS).count()
    states = {rotation.old.state, rotation.new.state}
    return (len(ended), events, states) == (1, 1, {State.REVOKING, State.HELD})


if __name__ == "__main__":
    main()
