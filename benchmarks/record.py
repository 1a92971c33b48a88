"""A sealed record of any length, written past Django: leaves as the portal writes them, and their tree."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.people import BIG, weights
from keys.audit import ratchet, tree
from keys.audit.events import Event
from keys.audit.leaf import hidden
from keys.audit.log import moment
from keys.models import User

_YEARS = timedelta(days=3 * 365)
_CHUNK = 65_536
_KINDS = [
    Event.KEY_REQUESTED, Event.KEY_CALLED, Event.KEY_ISSUED, Event.KEY_REVEALED, Event.KEY_STORED,
    Event.SIGNED_IN, Event.SIGNED_IN, Event.INVENTORY_EXPORTED, Event.KEY_DELETED, Event.ATTEMPT_REFUSED,
]  # fmt: skip


def write(database: sqlite3.Connection, size: int, owners: list[User]) -> None:
    """Write ``size`` events of the last three years, oldest first, and seal them."""
    triggers = _drop_triggers(database)
    _insert(database, "keys_auditevent", _events(size, owners))
    _seal(database)
    for sql in triggers:
        database.execute(sql)


def _drop_triggers(database: sqlite3.Connection) -> list[str]:
    """What the triggers are for is done here in one go. Returns the SQL that makes them again."""
    found = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%append-only%'"
        " OR name = 'keys_auditevent_queued'"
    ).fetchall()
    for name, _ in found:
        database.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    columns, places = ", ".join(first), ", ".join(f":{name}" for name in first)
    database.executemany(
        f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 - names from this file
        itertools.chain([first], rows),
    )


def _events(size: int, owners: list[User]) -> Iterator[dict[str, Any]]:
    """Rows of keys_auditevent: what keys, people and downloads leave behind."""
    luck = random.Random(size + 1)
    now, step = datetime.now(tz=UTC), _YEARS / size
    who = luck.choices(owners, weights(), k=size)
    keys = [uuid.UUID(int=luck.getrandbits(128), version=4) for _ in range(max(10, size // 60))]
    for number in range(size):
        kind = luck.choice(_KINDS)
        about_key = kind.value.startswith("key:")
        refused = kind is Event.ATTEMPT_REFUSED
        actor = {
            "id": str(who[number].pk),
            "role": "Owner" if who[number] is owners[BIG] else "Admin",
            "name": who[number].name,
            "email": who[number].email,
            "ip": "192.0.2.7",
            "browser": "Chrome on Linux",
        }
        said = {
            "id": str(uuid.UUID(int=luck.getrandbits(128), version=4)),
            "at": moment(now - step * (size - number)),
            "type": f"{kind.value}:{'refused' if refused else 'done'}",
            "actor": actor,
            "key": {"id": str(luck.choice(keys)), "name": f"billing deploy production {number:06}"}
            if about_key
            else None,
            "reason": "Your role, User, may not generate an API key." if refused else "",
            "details": {},
        }
        yield _row(said, luck.randbytes(16))


def _row(said: dict[str, Any], salt: bytes) -> dict[str, Any]:
    """As keys.audit.log makes it, without Django's part; this text is canonical JSON, since it is ASCII."""
    actor, key = said["actor"], said["key"]
    hides = {name: hidden(salt, f"actor.{name}", actor[name]) for name in ("name", "email", "ip", "browser")}
    raw = json.dumps({"v": 1, **said, "actor": actor | hides}, sort_keys=True, separators=(",", ":")).encode()
    mac = ratchet.mac(raw)
    kind, _, outcome = said["type"].rpartition(":")
    return {
        "uid": said["id"].replace("-", ""),
        "leaf": raw,
        "mac": mac.tag,
        "mac_chain": mac.chain,
        "mac_epoch": mac.epoch,
        "at": said["at"].replace("T", " ").rstrip("Z"),
        "type": kind,
        "outcome": outcome,
        "actor_id": int(actor["id"]),
        "actor_name": actor["name"],
        "actor_email": actor["email"],
        "actor_role": actor["role"],
        "key_id": key["id"].replace("-", "") if key else None,
        "key_name": key["name"] if key else "",
        "ip": actor["ip"],
        "browser": actor["browser"],
        "reason": said["reason"],
        "details": "{}",
        "personal": "{}",
        "salt": salt,
    }


def _seal(database: sqlite3.Connection) -> None:
    """The tree of all events, in the order of their ids."""
    size, edge = 0, list[list[bytes]]()
    leaves = database.execute("SELECT id, leaf FROM keys_auditevent ORDER BY id")
    root = tree.EMPTY
    while chunk := leaves.fetchmany(_CHUNK):
        hashes = [hashlib.sha256(b"\x00" + leaf).digest() for _, leaf in chunk]
        growth = tree.grow(size, edge, hashes)
        rows = [
            (size + place, pk, digest)
            for place, ((pk, _), digest) in enumerate(zip(chunk, hashes, strict=True))
        ]
        database.executemany('INSERT INTO keys_sealed ("index", event_id, leaf_hash) VALUES (?, ?, ?)', rows)
        database.executemany(
            'INSERT INTO keys_treenode (level, "index", hash) VALUES (?, ?, ?)', growth.nodes
        )
        size, root, edge = growth.size, growth.root, _edge(database, growth.size)
    database.execute("INSERT INTO keys_treehead (id, size, root, refusal) VALUES (1, ?, ?, '')", (size, root))


def _edge(database: sqlite3.Connection, size: int) -> list[list[bytes]]:
    found = []
    for level, (start, end) in enumerate(tree.edge_of(size)):
        table, digest = ("keys_treenode", "hash") if level else ("keys_sealed", "leaf_hash")
        of_level = f" AND level = {level}" if level else ""
        rows = database.execute(
            f'SELECT {digest} FROM {table} WHERE "index" >= ? AND "index" < ?{of_level} ORDER BY "index"',  # noqa: S608
            (start, end),
        )
        found.append([bytes(value) for (value,) in rows])
    return found
