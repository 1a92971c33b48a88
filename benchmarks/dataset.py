"""Databases of 1,000 and of 1,000,000 keys that look alike, made once and kept.

Shares are the same in both, with a floor: what a case of the benchmark lists must fill its page in
the small database as well, or the large one would be slower only because it shows more.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import time
import uuid
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command

from benchmarks import beside, loading, people, record
from benchmarks.beside import Beside
from benchmarks.databases import connect, kept, using
from benchmarks.loading import Row, filling
from benchmarks.people import SMALL, add_people, weights
from keys import migrations
from keys.jobs.figures import keep_figures
from keys.models import User
from keys.rules.folded_text import fold
from keys.rules.lifecycle import State

KEPT_FOR = 7
"""Days that a database is reused, so that "expires in 7 days" stays true."""

UNFINISHED = "unfinished"
FULL_PAGE = 60
RARE = 10
"""The number of keys with the rarest scope and the rarest word, in each database."""

RARE_SCOPE, RARE_WORD, MIDDLE_WORD, UNCOMMON_WORD = "delete:teams", "zanzibar", "quarterly", "offshore"
_SCOPES = {
    "read:users": 0.5, "read:items": 0.4, "read:items:accounts": 0.3, "read:items:secrets": 0.2,
    "read:activities": 0.3, "read:integrations": 0.15, "write:integrations": 0.1, "read:automations": 0.2,
    "write:automations": 0.05, "read:vaults": 0.1,
}  # fmt: skip
_TEAMS = ("billing", "identity", "payroll", "search", "storage", "support", "mobile", "platform", "security")
RARE_TEAM, RARE_TAG = "Zanzibar", "zanzibar"
_TAGS = {"nightly": 0.3, "etl": 0.1, "pci": 0.01}
_TASKS = ("deploy", "backup", "export", "sync", "report", "audit", "alerting", "rotation", "onboarding")
_PLACES = ("production", "production", "staging", "development", "test", "sandbox")
_YEAR = 365 * 24 * 3600


def database_of(size: int, events: int) -> str:
    """The database of so many keys and events, as Django calls it: made by an earlier run, or now.

    No connection may be open: it forks.
    """
    wanted, today = f"keys_{size}_events_{events}", int(time.time()) // 86_400
    for name in kept.names():
        if name.startswith(f"{wanted}_"):
            recipe, day = name.removeprefix(f"{wanted}_").split("_")
            if recipe == _recipe() and today - int(day) <= KEPT_FOR:
                return kept.at(name)
            kept.drop(name)
    started, name = time.perf_counter(), f"{wanted}_{_recipe()}_{today}"
    # In a separate process, so that its memory is not part of the measurement.
    building = multiprocessing.get_context("fork").Process(target=_build, args=(UNFINISHED, size, events))
    building.start()
    building.join()
    if building.exitcode:
        raise RuntimeError(f"{name} could not be made.")
    kept.rename(UNFINISHED, name)
    print(f"Made {name} in {time.perf_counter() - started:.0f} s.", flush=True)
    return kept.at(name)


def _recipe() -> str:
    """Return a hash of the code that determines a database's content."""
    here = [Path(one.__file__) for one in (beside, loading, people, record)] + [Path(__file__)]
    sources = [*sorted(Path(migrations.__path__[0]).glob("0*.py")), *here]
    lines = [line for source in sources for line in source.read_text().splitlines() if line[:1] != "#"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def _build(name: str, size: int, events: int) -> None:
    if name in kept.names():
        kept.drop(name)
    kept.create(name)
    database = connect(kept.at(name))
    with using(database):
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        owners = add_people()
    database.close()
    with filling(name) as insert:
        lived = deque[record.Key]()
        luck, now = random.Random(size), datetime.now(tz=UTC).replace(tzinfo=None)
        lives = _all_lives(size, luck, now)
        others = Beside(lives, luck, now)
        insert("keys_apikey", _noting(lived, events // 10, owners[SMALL], _keys(lives, owners, others, luck)))
        insert("keys_rotation", others.rotations(owners))
        insert("keys_rotationtask", others.tasks(owners))
        insert("keys_leaverplan", others.plans(owners))
        insert("keys_reach", beside.reach(owners, luck, now))
        record.write(insert, events, owners, lived)
    with using(database):
        print(f"{size:,} keys, {events:,} events: {keep_figures()}.", flush=True)
    database.close()


def _noting(lived: deque[record.Key], count: int, first: User, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield ``rows``. Collect ``count`` of them for the audit log, after a few of ``first``'s."""
    few = RARE
    for row in rows:
        key = (str(uuid.UUID(row["id"])), row["name"])
        if few and row["owner_id"] == first.pk:
            lived.appendleft(key)
            few -= 1
        elif len(lived) < count:
            lived.append(key)
        yield row


def _all_lives(size: int, luck: random.Random, now: datetime) -> list[dict[str, Any]]:
    """Return the states and times of all keys, newest first, so that the search index grows at its end."""
    lives = [_life(kind, luck, now) for kind in _kinds(size, luck)]
    lives.sort(key=lambda life: life["created_at"], reverse=True)
    _mark(lives, luck, now)
    return lives


def _keys(
    lives: list[dict[str, Any]], owners: list[User], others: Beside, luck: random.Random
) -> Iterator[Row]:
    """Yield rows of keys_apikey."""
    size, shares = len(lives), weights()
    owner_of = luck.choices(range(len(owners)), shares, k=size)
    for position in luck.sample(range(size), FULL_PAGE):
        owner_of[position] = SMALL
    extra_word = _planted(size, luck)
    rare_scope = set(luck.sample(range(size), RARE))
    for number, life in enumerate(lives):
        owner = owners[owner_of[number]]
        scopes = [scope for scope, share in _SCOPES.items() if luck.random() < share] or ["read:users"]
        if number in rare_scope:
            scopes.append(RARE_SCOPE)
        words = [luck.choice(_TEAMS), luck.choice(_TASKS), luck.choice(_PLACES), extra_word.get(number, "")]
        name = " ".join([*filter(None, words), f"{number:06}"])
        yield {
            **others.key(number, life, owner),
            "cerby_id": uuid.UUID(int=luck.getrandbits(128), version=4).hex,
            "name": name,
            "name_order": fold(name),
            "purpose": "Made to be measured.",
            "purpose_order": "made to be measured.",
            "owner_id": owner.pk,
            "owner_name": owner.name,
            "owner_order": fold(owner.name),
            "owner_email": owner.email,
            "scopes": json.dumps(scopes),
            "failure": "",
            "attempts": 0,
            "created_known": True,
            "origin": "generated",
            "missing_since": None,
            "owner_left_at": None,
            "reach_since": None,
            "reach_grew_at": None,
            "pepper_id": "",
            "last_four": f"{luck.getrandbits(20):04x}"[:4],
            "stored_in": "",
            **_ownership(number, owner, rare_scope, luck),
            **{name: _text(value) for name, value in life.items()},
        }


def _ownership(number: int, owner: User, rare: set[int], luck: random.Random) -> Row:
    """Return who answers for a key: its owner, unless the key is marked as an orphan."""
    team = RARE_TEAM if number in rare else luck.choice(_TEAMS)
    tags = sorted(tag for tag, share in _TAGS.items() if luck.random() < share)
    return {
        "accountable_id": owner.pk,
        "accountable_name": owner.name,
        "accountable_order": fold(owner.name),
        "accountable_email": owner.email,
        "accountable_left_at": None,
        "backup_id": owner.pk,
        "team": team,
        "team_order": fold(team),
        "system": "BigQuery",
        "system_order": "bigquery",
        "kind": luck.choice(["", "person", "workload", "agent", "vendor"]),
        "environment": luck.choice(["", "production", "other"]),
        "review_on": None,
        "note": "",
        "tags": json.dumps([*tags, RARE_TAG] if number in rare else tags),
        "version": 0,
    }


def _text(value: Any) -> Any:
    if type(value) is date:
        return value.isoformat()
    return value.isoformat(" ") if isinstance(value, datetime) else value


def _planted(size: int, luck: random.Random) -> dict[int, str]:
    """Return the positions of keys with a rare word: 10 keys, one in 2,000, one in 200."""
    uncommon, middle = max(FULL_PAGE, size // 2000), max(FULL_PAGE, size // 200)
    words = [RARE_WORD] * RARE + [UNCOMMON_WORD] * uncommon + [MIDDLE_WORD] * middle
    return dict(zip(luck.sample(range(size), len(words)), words, strict=True))


def _kinds(size: int, luck: random.Random) -> list[str]:
    shares = {
        "expired": 0.235, "removed": 0.14, "failed": 0.015, "pending": 0.005, "withdrawn": 0.005,
        "unconfirmed": 0.005,
        "expires in 7": 0.01, "expires in 30": 0.03, "expires in 90": 0.08,
    }  # fmt: skip
    kinds = [kind for kind, share in shares.items() for _ in range(max(FULL_PAGE, round(size * share)))]
    kinds += ["active"] * (size - len(kinds))
    luck.shuffle(kinds)
    return kinds


def _life(kind: str, luck: random.Random, now: datetime) -> dict[str, Any]:
    """Return the state and times of a key. Times are naive and in UTC."""

    def ago(seconds: float) -> datetime:
        return now - timedelta(seconds=luck.random() * seconds)

    if kind in {"expired", "removed", "failed", "pending", "withdrawn"}:
        lifetime = luck.choice([3600, 12 * 3600, 86_400, 5 * 86_400, _YEAR])
        expires = ago(3 * _YEAR)
        created = expires - timedelta(seconds=lifetime)
        if kind == "pending":
            created, expires = ago(_YEAR), now + timedelta(days=30)
    else:
        soonest, latest = {
            "expires in 7": (0.5, 7), "expires in 30": (7, 30), "expires in 90": (30, 90),
        }.get(kind, (90, 365))  # fmt: skip
        left = luck.uniform(soonest, latest) * 86_400
        expires = now + timedelta(seconds=left)
        created = expires - timedelta(seconds=luck.uniform(left, 366 * 86_400))
    states = {
        "removed": State.REVOKED, "failed": State.REFUSED, "pending": State.IN_DOUBT,
        "unconfirmed": State.CLAIMED, "withdrawn": State.WITHDRAWN,
    }  # fmt: skip
    state = states.get(kind, State.HELD)
    was_used = luck.random() > 0.15 and kind not in {"failed", "pending", "unconfirmed"}
    return {
        "state": state.value,
        "created_at": created,
        "expires_at": expires,
        "last_used_at": created + (min(expires, now) - created) * luck.random() if was_used else None,
        "removed_at": expires if kind == "removed" else None,
        "stored_at": created if state in {State.HELD, State.REVOKED} else None,
    }


def _mark(lives: list[dict[str, Any]], luck: random.Random, now: datetime) -> None:
    """Mark some of the active keys, and some that are being removed, so that they need attention."""
    active = [life for life in lives if life["state"] == State.HELD.value and life["expires_at"] > now]
    removed = [life for life in lives if life["state"] == State.REVOKED.value]
    for share, among, marks in (
        (0.005, active, {"missing_since": now}),
        (0.01, active, {"owner_left_at": now}),
        (0.01, active, {"reach_since": now - timedelta(days=30), "reach_grew_at": now}),
        (0.01, active, {"origin": "discovered", "purpose": ""}),
        (0.01, active, {"accountable_left_at": now}),
        (0.02, active, {"review_on": now.date()}),
        (0.2, active, {"review_on": now.date() + timedelta(days=90)}),
        (0.001, removed, {"state": State.REVOKING.value, "attempts": 6, "removed_at": None}),
    ):
        for life in luck.sample(among, max(FULL_PAGE, round(len(lives) * share))):
            life.update(marks)
