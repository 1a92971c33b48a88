"""Kill real processes under load, recover, and ask the oracle of the walk."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from keys.models import ApiKey, User
from keys.rules.lifecycle import UNCONFIRMED_AFTER, State
from tests import cast as people
from tests.crashwalk.clock import Clock
from tests.crashwalk.databases import PLAIN_TEXT
from tests.crashwalk.fleet import Fleet, children_of, kill_if_there
from tests.crashwalk.load import Person
from tests.crashwalk.oracle import Before, Upstream, wrong_at_any_moment, wrong_at_rest
from tests.crashwalk.recovery import recover
from tests.support import own_database
from tests.support.own_database import Address
from tests.support.postgresql_server import Server, serving
from tests.support.prepared import MIGRATED

PEOPLE = ("owner", "super_admin", "admin") * 2
KILLED_EVERY = {"web worker": 1.0, "background worker": 6.0, "PostgreSQL": 8.0}  # seconds
"""A gunicorn worker is forked and works at once; the others need a second or more to restart."""
BETWEEN_FIRST_KILLS = 0.7  # seconds
ROUNDS_BETWEEN_KILLS = 3
"""How many keys complete their round between two kills, however slow the machine is."""
BACK_WITHIN = 40.0  # seconds, on a machine that has much else to do


@dataclass
class Killed:
    """The counts of a run.

    ``kills``: how often each process was killed. ``keys``: how many were requested from Cerby. ``rounds``: how
    many keys completed their round, by its kind. ``interruptions``: how many failed because of a kill.
    """

    wrong: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)
    interruptions: int = 0
    keys: int = 0

    def __str__(self) -> str:
        killed = ", ".join(f"{count} x {name}" for name, count in self.kills.items())
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.rounds.items()))
        return (
            f"killed {killed}; {self.keys} keys asked for; {self.rounds.total()} went all their way ({done}),"
            f" {self.interruptions} were interrupted; {len(self.wrong)} wrong"
        )


def kill_under_load(kind: str, seconds: float, migrated: Path | None = None) -> Killed:
    """Start a new portal, and kill its processes and PostgreSQL in turn for ``seconds``.

    The portal migrates its database, unless ``migrated`` is the data of a PostgreSQL server with a migrated one.
    """
    with _database(kind, migrated) as (folder, database, server), Fleet(folder / "data", database) as fleet:
        killed = Killed()
        _be_part_of(fleet)
        with own_database.using(database):
            in_time = timezone.now() + UNCONFIRMED_AFTER
            ApiKey.objects.filter(state=State.CLAIMED).update(due_at=in_time)  # demo keys have no timer
            before = Before.now(fleet.control.journal())
            users = [User.objects.get(email=people.email_of(name)) for name in PEOPLE]
            crowd = [Person(fleet.url, user) for user in users]
        fleet.wait_for_checkpoint(database)  # the demo's events are old, and a late signature is damage
        for person in crowd:
            person.start()
        _kill_in_turn(_victims(fleet, server), seconds, killed, crowd)
        if not _all_go_on(crowd):
            killed.wrong.append(f"somebody is not served {BACK_WITHIN:.0f} seconds after the last kill")
        for person in crowd:
            person.stop()
        fleet.kill_all_of_the_portal()
        fleet.run("manage.py", "audit_verify")
        killed.rounds = sum((person.rounds for person in crowd), Counter())
        killed.interruptions = sum(person.interruptions for person in crowd)
        _ask_the_oracle(killed, before, fleet, database, crowd)
        return killed


def _be_part_of(fleet: Fleet) -> None:
    """Configure this process as another worker of the portal; it runs the recovery at the end."""
    settings.CERBY_BASE_URL = fleet.sandbox_url
    settings.CERBY_TOKEN = (fleet.data / "sandbox" / "cerby-token").read_text().strip()
    settings.CERBY_API_KEY = (fleet.data / "sandbox" / "cerby-api-key").read_text().strip()
    settings.PORTAL_DATA_DIR, settings.PORTAL_AUDIT_DIR = fleet.data, fleet.data / "audit"


def _victims(fleet: Fleet, server: Server | None) -> dict[str, Callable[[], None]]:
    victims = {"web worker": fleet.kill_web_worker, "background worker": fleet.kill_worker}
    if server is not None:
        victims["PostgreSQL"] = lambda: _kill_and_restart(server)
    return victims


def _kill_in_turn(
    victims: dict[str, Callable[[], None]], seconds: float, killed: Killed, crowd: list[Person]
) -> None:
    """Kill each process at least once and then at its interval, but never without completed rounds between."""
    began, enough = time.monotonic(), ROUNDS_BETWEEN_KILLS
    due = {name: began + number * BETWEEN_FIRST_KILLS for number, name in enumerate(victims, start=1)}
    while time.monotonic() < began + seconds or len(killed.kills) < len(victims):
        name = min(due, key=due.__getitem__)
        time.sleep(max(0, due[name] - time.monotonic()))
        if not _have_gone(crowd, enough):
            killed.wrong.append(f"hardly anybody is served {BACK_WITHIN:.0f} seconds after a kill")
            return
        victims[name]()
        enough = _rounds(crowd) + ROUNDS_BETWEEN_KILLS
        killed.kills[name] += 1
        due[name] = time.monotonic() + KILLED_EVERY[name]


def _kill_and_restart(server: Server) -> None:
    """Kill PostgreSQL, its main process first, so that it cannot clean up after its children."""
    children = children_of(server.process.pid)
    server.process.kill()
    for child in children:
        kill_if_there(child)
    server.process.wait()
    _wait_until_gone(children)  # PostgreSQL does not start while old processes remain
    server.start()


def _wait_until_gone(processes: list[int]) -> None:
    assert _comes_true(lambda: not any(_lives(pid) for pid in processes)), "what was killed does not end"


def _lives(pid: int) -> bool:
    """Return whether the process runs. A zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _all_go_on(crowd: list[Person]) -> bool:
    """Return whether every person completes another round in time."""
    before = [(person, person.rounds.total()) for person in crowd]
    return _comes_true(lambda: all(person.rounds.total() > count for person, count in before))


def _have_gone(crowd: list[Person], rounds: int) -> bool:
    """Return whether the crowd completes ``rounds`` in time."""
    return _comes_true(lambda: _rounds(crowd) >= rounds)


def _rounds(crowd: list[Person]) -> int:
    return sum(person.rounds.total() for person in crowd)


def _comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + BACK_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _ask_the_oracle(
    killed: Killed, before: Before, fleet: Fleet, database: Address, crowd: list[Person]
) -> None:
    lives = [person.life for person in crowd]
    with own_database.using(database):
        killed.wrong += wrong_at_any_moment(before, _upstream(fleet, before), lives)
        if recover(fleet.control, Clock(fleet.control)) is None:
            killed.wrong.append("does not come to rest")
        upstream = _upstream(fleet, before)
        killed.wrong += wrong_at_any_moment(before, upstream, lives)
        killed.wrong += wrong_at_rest(upstream, lives)
        killed.keys = len(upstream.asked("POST", "/api/v1/api-keys"))
    if PLAIN_TEXT.search(own_database.everything_in(database)):
        killed.wrong.append("plain text in the database")
    logs = [log.name for log in fleet.data.glob("*.log") if PLAIN_TEXT.search(log.read_bytes())]
    killed.wrong += [f"plain text in {log}" for log in logs]
    killed.wrong = list(dict.fromkeys(killed.wrong))


def _upstream(fleet: Fleet, before: Before) -> Upstream:
    requests = [one for one in fleet.control.journal() if one["sequence"] > before.last_request]
    return Upstream(fleet.control.api_keys(), requests)


@contextmanager
def _database(kind: str, migrated: Path | None) -> Iterator[tuple[Path, Address, Server | None]]:
    """Provide a folder and a database without rows. PostgreSQL commits to disk before it answers."""
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        if kind == "sqlite":
            yield folder, folder / "data" / "portal.sqlite3", None
        else:
            with serving(migrated, synchronous_commit="on") as server:
                server.create("portal", template=MIGRATED if migrated else "template0")
                yield folder, server.url("portal"), server
    finally:
        shutil.rmtree(folder)
