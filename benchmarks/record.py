"""Generate an audit log of any length, sealed and signed as the portal would have done over three years."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.loading import Insert, Row
from benchmarks.people import BIG, weights
from keys.models import AuditEvent, User
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.tlog import leaf, merkle
from keys.tlog.checkpoint import signer
from keys.tlog.mac_ratchet import EPOCH_SECONDS, Ratchet
from keys.verifier.verify_bundle import Tree

Key = tuple[str, str]
"""The id and name of a key."""

_YEARS = timedelta(days=3 * 365)
_CHUNK = 65_536
SIGNED_EVERY = 4
"""Intervals of events: people act now and then, and the portal signs every few seconds."""

AT_ONCE = 20
"""The number of keys whose events are interleaved."""

Happening = tuple[Event, dict[str, Any]]
"""An event type and its details."""

_SCOPES, _EXPIRES = ["read:users", "read:items"], "2030-01-01T00:00:00+00:00"
_RESCOPED = {"before": _SCOPES, "after": ["read:users"]}
_LIFE: list[Happening] = [
    (Event.KEY_REQUESTED, {"scopes": _SCOPES, "expires_at": _EXPIRES, "purpose": "Made to be measured."}),
    (Event.KEY_CALLED, {}),
    (Event.KEY_ISSUED, {"scopes": _SCOPES, "expires_at": _EXPIRES, "last_four": "0000"}),
    (Event.KEY_REVEALED, {}),
    (Event.KEY_STORED, {"how": "confirmed by its owner"}),
    (Event.KEY_RESCOPE_STARTED, _RESCOPED),
    (Event.KEY_RESCOPED, _RESCOPED),
    (Event.KEY_DELETION_STARTED, {"from_state": "held"}),
    (Event.KEY_DELETED, {}),
]
_OF_PEOPLE: list[Happening] = [
    (Event.SIGNED_IN, {}),
    (Event.SIGNED_IN, {}),
    (Event.INVENTORY_EXPORTED, {"filter": "owner=ada.abbott.1@contenzilla.example", "count": 60}),
    (Event.ATTEMPT_REFUSED, {"action": "create_key"}),
]
_ABOUT_KEYS = 0.6
"""The share of events about keys; the others are about people."""

_FIRST_KEY = bytes(32)
"""The identifier of the chain of MACs."""

_CHAIN = hashlib.sha256(_FIRST_KEY).hexdigest()[:8]


def write(insert: Insert, size: int, owners: Sequence[User], keys: Iterable[Key]) -> None:
    """Yield ``size`` events, oldest first, about ``keys`` and then about unknown keys."""
    rows, whole = _events(size, owners, keys), Tree()
    edge: list[list[bytes]] = []
    while chunk := list(itertools.islice(rows, _CHUNK)):
        start, leaves = whole.size, [merkle.leaf_hash(row["leaf"]) for row in chunk]
        insert("keys_auditevent", iter(chunk))
        insert("keys_checkpoint", _checkpoints(chunk, whole, size))
        growth = merkle.grow(start, edge, leaves)
        insert("keys_sealed", _sealed(start, leaves))
        insert("keys_treenode", _nodes(growth))
        edge = _next_edge(edge, leaves, growth)
    head = {"id": 1, "size": size, "root": whole.root(), "refusal": "", "forged_times": 0}
    insert("keys_treehead", iter([head]))


def escrow() -> dict[str, Any]:
    """Return the first MAC key of the current log, as the auditors would store it."""
    first = AuditEvent.objects.order_by("pk").values_list("mac_epoch", flat=True)[0]
    return {"chain": _CHAIN, "epoch": first, "key": _FIRST_KEY.hex()}


def _events(size: int, owners: Sequence[User], keys: Iterable[Key]) -> Iterator[Row]:
    """Yield rows of keys_auditevent."""
    luck = random.Random(size + 1)
    now, step = datetime.now(tz=UTC), _YEARS / size
    people, lives = luck.choices(owners, weights(), k=size), _lives(keys, luck)
    macs = Ratchet(_CHAIN, _epoch(now - _YEARS), _FIRST_KEY)
    for number, person in enumerate(people):
        at = now - step * (size - number)
        macs = macs.at(_epoch(at))
        key, (kind, details) = next(lives) if luck.random() < _ABOUT_KEYS else (None, luck.choice(_OF_PEOPLE))
        refused = kind is Event.ATTEMPT_REFUSED
        said = {
            "id": str(uuid.UUID(int=luck.getrandbits(128), version=4)),
            "at": utc_microseconds(at),
            "type": f"{kind}:{'refused' if refused else 'done'}",
            "actor": {
                "id": str(person.pk),
                "role": "Owner" if person is owners[BIG] else "Admin",
                "name": person.name,
                "email": person.email,
                "ip": "192.0.2.7",
                "browser": "Chrome on Linux",
            },
            "key": dict(zip(("id", "name"), key, strict=True)) if key else None,
            "reason": "Your role, User, may not generate an API key." if refused else "",
            "details": details,
        }
        yield _row(said, luck.randbytes(leaf.SALT), macs)


def _epoch(at: datetime) -> int:
    return int(at.timestamp()) // EPOCH_SECONDS


def _lives(keys: Iterable[Key], luck: random.Random) -> Iterator[tuple[Key, Happening]]:
    """Yield events of keys endlessly."""
    unknown = (
        (str(uuid.UUID(int=luck.getrandbits(128), version=4)), "billing deploy") for _ in itertools.count()
    )
    ahead = itertools.chain(keys, unknown)
    lives = [(key, iter(_LIFE)) for key in itertools.islice(ahead, AT_ONCE)]
    while True:
        place = luck.randrange(AT_ONCE)
        key, life = lives[place]
        step = next(life, None)
        if step is None:
            lives[place] = next(ahead), iter(_LIFE)
        else:
            yield key, step


def _row(said: dict[str, Any], salt: bytes, macs: Ratchet) -> Row:
    """Build a leaf as keys.audit.log does, without Django."""
    made = leaf.make(said, salt)
    mac, actor, key = macs.mac(made.raw), said["actor"], said["key"]
    kind, _, outcome = said["type"].rpartition(":")
    return {
        "uid": said["id"].replace("-", ""),
        "leaf": made.raw,
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
        "details": json.dumps(made.details),
        "personal": json.dumps(made.personal),
        "salt": salt,
    }


def _checkpoints(chunk: list[Row], whole: Tree, size: int) -> Iterator[Row]:
    """Add the events of ``chunk`` to the tree. Yield checkpoints at intervals and at the end."""
    mine = signer()
    for row in chunk:
        whole.add(row["leaf"])
        if whole.size % SIGNED_EVERY == 0 or whole.size == size:
            root, at = whole.root(), row["at"]
            note = mine.checkpoint(whole.size, root, f"{at.replace(' ', 'T')}Z")
            yield {"size": whole.size, "root": root, "at": at, "note": note}


def _sealed(start: int, leaves: list[bytes]) -> Iterator[Row]:
    """The database numbers events from 1, the tree from 0."""
    for index, digest in enumerate(leaves, start):
        yield {"index": index, "event_id": index + 1, "leaf_hash": digest}


def _nodes(growth: merkle.Growth) -> Iterator[Row]:
    for level, index, digest in growth.nodes:
        yield {"level": level, "index": index, "hash": digest}


def _next_edge(edge: list[list[bytes]], leaves: list[bytes], growth: merkle.Growth) -> list[list[bytes]]:
    """Return the content of each level's last, incomplete tile."""
    rows = defaultdict(list, {level: [*row] for level, row in enumerate(edge)})
    rows[0] += leaves
    for level, _, digest in growth.nodes:
        rows[level].append(digest)
    return [
        rows[level][len(rows[level]) - (end - start) :]
        for level, (start, end) in enumerate(merkle.partial_tiles(growth.size))
    ]
