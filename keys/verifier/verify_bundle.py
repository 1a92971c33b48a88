"""Verify a bundle of the Cerby Key Portal's audit log, trusting only one public key.

    python verify_bundle.py BUNDLE --vkey VKEY [--anchor FILE …] [--ratchet FILE …]
    python verify_bundle.py --proof FILE.tlog-proof --vkey VKEY

BUNDLE is a folder or a .zip. Get VKEY from your auditors: the copy in the bundle proves only that the bundle
is consistent. This file needs Python 3.11 and the package cryptography, and no network. It shares no code
with the portal. ``Kind`` lists the kinds of damage, each function checks one thing, ``Verifier`` and
``verify`` combine them. Exit status: 0 no problems found, 1 problems found, 2 the bundle cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import enum
import functools
import hashlib
import hmac
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = timedelta(minutes=5)  # for clocks that differ between machines, and for long transactions
SEALED_WITHIN = timedelta(minutes=15)  # usually about a second
EPOCH, HASH, LEAF = 900, 32, 8192  # seconds; bytes; the longest leaf in bytes
NUMBER_LIMIT, RECENT_IDS = 2**53, 10_000
FIELDS = {"v", "id", "at", "type", "actor", "key", "reason", "details"}
PERSONAL = {"email", "owner", "owner_email", "owner_name", "full name", "ip", "browser", "filter", "subject"}
CANNOT_READ = (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(enum.Enum):
    """The kinds of damage, with an explanation of each."""

    FORM = "An event does not have the required format."
    HASH = "An event does not match the hash that was sealed at its index."
    COLUMNS = "The database columns of an event differ from the sealed event."
    PERSONAL = "A name, address or browser differs from the value with which the event was written."
    ERASED = "Personal data was erased, but no event records the erasure of this event."
    MAC = "An event was not written by the portal, or was changed before it was sealed."
    FORGED = "The portal did not write this event, or it was changed before it was sealed."
    MISSING = "Events are missing: their numbers have a gap."
    DUPLICATE = "An event occurs twice, or events are not in the order of their numbers."
    EMPTY = "There are no events, although some were signed: the table was emptied or dropped."
    TRUNCATED = "The newest events are missing: a checkpoint in this log signs more events."
    ROLLED_BACK = "More events were signed: an older copy was restored, or the newest events were deleted."
    ROOT = "The events do not give the signed root: an event was changed, moved, added or removed."
    FORK = "A different history was signed: events were rewritten and signed again, or two portals sign."
    SIGNATURE = "A checkpoint or anchor is not signed with the key of this log."
    REPLAYED = "A checkpoint does not follow the previous one: it is an old one, or its row was changed."
    UNSEALED = "An event has waited too long to be sealed: it was hidden, or sealing has stopped."
    UNSIGNED = "A checkpoint is missing: events sealed long ago are not signed, or only an anchor has it."
    TREE = "A stored hash of the tree does not match the events below it, so proofs that use it fail."
    GUARDS = "What protects the tables in the database was removed, added or changed."
    TIME = "The time of an event does not fit its position: a clock was wrong, or the time was forged."
    ROWS = "A row of the inventory differs from the audit log: somebody changed it without the portal."
    LIFE = "The events of an API key contradict each other: for example, it was viewed or deleted twice."
    APPROVAL = "An act was done without the approval that it needed, or a verdict does not fit its request."


# The events that are possible in each state of a key: states before > state after ("=": unchanged), events.
# "+" marks variants that depend on the event's details. If several states are possible, later events decide.
LIFE = """
new                                  > requested  key:request:done
new                                  > held       key:register:done key:discover:done
requested                            > calling    key:call:done
requested                            > awaited    key:await:done
requested awaited                    > absent     key:cancel:done
awaited                              > claimed    key:paste:done
calling                              > ready      key:issue:done
calling                              > refused    key:issue:failed
calling                              > in_doubt   key:lose-answer:done
calling                              > revoking   key:lose-answer:done
in_doubt                             > revoking   key:look-up:done+found
in_doubt                             > absent     key:look-up:done
ready                                > claimed    key:reveal:done
claimed                              > held       key:store:done
ready claimed held                   > revoked    key:change:done+removed key:declare-removed:done
ready claimed held                   > revoking   key:start-delete:done
held                                 > withdrawn  key:withdraw:done
absent refused revoked               > revoking   key:start-delete:done
in_doubt ready claimed               > held       key:keep:done
absent refused revoked               > held       key:keep:done
revoking                             > revoked    key:delete:done key:confirm-removal:done
held revoking revoked                > =          key:delete:failed key:adopt:done key:correct:done
ready claimed held                   > =          key:register:done key:change:done key:confirm:done
claimed held revoking                > =          key:identify:done
ready claimed held                   > =          key:reading:done
in_doubt absent held revoking revoked > =         key:look-up:done
claimed held revoking revoked        > =          key:start-save:done key:store:failed key:store:refused
ready claimed held revoking revoked  > =          key:start-rescope:done key:rescope:done key:rescope:failed
ready claimed held revoking revoked  > =          key:miss:done
ready claimed held                   > =          key:remind:done key:reach-grow:done
any                                  > =          key:reach-accept:done key:owner-leave:done key:plan:done
any                                  > =          exception:ask:done exception:grant:done
any                                  > =          exception:decline:done exception:end:done
ready claimed held                   > =          key:ask-rotation:done key:withdraw-rotation:done
any                                  > =          key:review:done key:move-review:done
any                                  > =          key:finish-review:done key:void-certificate:done
any                                  > =          attempt:refuse:refused key:reveal:refused
any                                  > =          key:edit:done key:repair:done key:repair:failed
new                                  > =          key:repair:failed
any                                  > =          rotation:advance:done rotation:use-again:done
any                                  > =          rotation:miss:done rotation:extend:done rotation:kill:done
any                                  > =          rotation:retire:done rotation:call-off:done
claimed held                         > =          rotation:start:done
"""
# The same for a rotation, whose events have the states in their details and the old key as their key.
ROTATION = """
new                                  > preparing  rotation:start:done
preparing                            > overlap    rotation:advance:done
overlap                              > cut_over   rotation:advance:done
cut_over                             > quiet      rotation:advance:done
cut_over quiet                       > overlap    rotation:use-again:done
overlap cut_over quiet               > overdue    rotation:miss:done
overlap cut_over quiet               > =          rotation:extend:done
overdue                              > overlap    rotation:extend:done
overdue                              > =          rotation:advance:done rotation:use-again:done
any                                  > retired    rotation:retire:done rotation:kill:done
any                                  > called_off rotation:call-off:done
"""
OVER = {"retired", "called_off"}


def steps_of(grammar: str) -> list[tuple[set[str], str, list[str]]]:
    lines = (line.partition(">") for line in grammar.strip().splitlines())
    return [
        (set(sources.split()), state, events)
        for sources, _, then in lines
        for state, *events in [then.split()]
    ]


STEPS, ROTATION_STEPS = steps_of(LIFE), steps_of(ROTATION)

Line = dict[str, Any]
Record = Mapping[str, Iterable[Line]]  # "events", "unsealed", "checkpoints" and "anchors"
Keys = dict[tuple[str, bytes], Ed25519PublicKey]


class Checkpoint(NamedTuple):
    size: int
    root: bytes
    at: datetime


@dataclass
class Damage:
    """The first occurrence of a kind of damage, in events ``index`` to ``last``, and the number of them."""

    kind: Kind
    index: int
    last: int
    words: str
    times: int = 0
    place: str = ""

    @property
    def where(self) -> str:
        if self.place:
            return self.place
        return f"event {self.index}" if self.last <= self.index else f"events {self.index} to {self.last}"

    def __str__(self) -> str:
        more = f" (Found {self.times} times.)" if self.times > 1 else ""
        return f"{self.kind.name} at {self.where}. {self.kind.value} {self.words}{more}"


@dataclass
class Report:
    """The result. ``unchecked`` counts the events whose MAC could not be checked for lack of a key."""

    events: int = 0
    unsealed: int = 0
    erased: int = 0
    unchecked: int = 0
    checkpoint: Checkpoint | None = None
    found: dict[Kind, Damage] = field(default_factory=dict)

    @property
    def damage(self) -> list[Damage]:
        """Return the first damage of each kind, in the order of the events."""
        return sorted(self.found.values(), key=lambda damage: damage.index)

    def add(self, kind: Kind, index: int, words: str, last: int = -1) -> None:
        self.found.setdefault(kind, Damage(kind, index, last, words)).times += 1

    @property
    def macs(self) -> str:
        """Say for how many events it was not checked that the portal wrote them."""
        if not self.unchecked:
            return "The MAC of every event was checked."
        every = self.events + self.unsealed
        how_many = f"all {every}" if self.unchecked == every else f"{self.unchecked} of {every}"
        return f"The MAC of {how_many} events was not checked, for lack of its key. Pass it with --ratchet."

    def __str__(self) -> str:
        point = self.checkpoint
        signed = f"{point.size} of them at {point.at}" if point else "none of them"
        return "\n".join(
            [
                self.macs,
                *map(str, self.damage),
                f"Sealed events: {self.events}. The newest checkpoint signs {signed}.",
                f"Events that are not sealed yet: {self.unsealed}.",
                f"Events with erased personal data: {self.erased}.",
                "DAMAGED" if self.found else "No problems found.",
            ]
        )


def _number(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,16}", text) or abs(int(text)) >= NUMBER_LIMIT:
        raise ValueError(f"{text[:20]} is not a whole number below 2**53.")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> Line:
    return dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")))


JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_number
)


def read_leaf(raw: bytes) -> Line:
    """Return an event's fields. Raise ``ValueError`` unless ``raw`` is canonical JSON (RFC 8785)."""
    leaf: Line = JSON.decode(raw.decode())
    if json.dumps(leaf, ensure_ascii=False, separators=(",", ":")).encode() != raw or len(raw) > LEAF:
        raise ValueError("It is not canonical JSON.")
    if leaf.keys() != FIELDS or leaf["v"] != 1 or not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", leaf["at"]):
        raise ValueError("It is not an event of version 1.")
    for path, value in personal_hashes(leaf):
        if not re.fullmatch(r"(h:[0-9a-f]{64})?", value):
            raise ValueError(f"{path} is not hashed.")
    return leaf


def personal_hashes(leaf: Line) -> Iterator[tuple[str, str]]:
    """Yield path and hash of each personal value: the actor's, and those in the details at any depth."""
    for name in ("name", "email", "ip", "browser") if leaf["actor"] is not None else ():
        yield f"actor.{name}", leaf["actor"][name]
    remaining = [("details", leaf["details"])]
    while remaining:
        path, value = remaining.pop()
        parts: Iterable[tuple[Any, Any]] = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for name, part in parts:
            if name in PERSONAL and isinstance(part, str):
                yield f"{path}.{name}", part
            else:
                remaining.append((f"{path}.{name}", part))


def column_error(leaf: Line, columns: Line) -> str:
    """Return the names of the columns, personal ones aside, that differ from the event."""
    kind, _, outcome = leaf["type"].rpartition(":")
    actor, key = leaf["actor"] or {"id": None, "role": ""}, leaf["key"] or {"id": None, "name": ""}
    expected = {name: leaf[name] for name in ("at", "reason", "details")} | {"type": kind, "outcome": outcome}
    expected |= {"actor_id": actor["id"], "actor_role": actor["role"]}
    expected |= {"key_id": key["id"], "key_name": key["name"]}
    return ", ".join(name for name, value in expected.items() if columns[name] != value)


def personal_error(leaf: Line, columns: Line, personal: Line, salt: str | None) -> str:
    """Return the paths of readable values that differ from their hashes, or that an erasure left behind."""
    shown = {f"actor.{name}": columns[f"actor_{name}"] for name in ("name", "email")}
    shown |= {f"actor.{name}": columns[name] for name in ("ip", "browser")} | personal
    if leaf["actor"] is None and shown["actor.name"] == "The portal":
        del shown["actor.name"]
    for path, value in personal_hashes(leaf) if salt is not None else ():
        text = shown.pop(path, "")
        known = "h:" + sha256(bytes.fromhex(salt or ""), f"{path}\0{text}".encode()).hex() if text else ""
        if value != known:
            return path
    return ", ".join(path for path, text in shown.items() if text)


def epoch_of(at: datetime) -> int:
    return int(at.timestamp()) // EPOCH


def mac_key(epoch: int, first: int, keys: bytearray) -> bytes:
    """Return the key of ``epoch``, derived with HKDF (RFC 5869). ``keys`` starts with that of ``first``."""
    while len(keys) <= (epoch - first) * HASH:
        extracted = hmac.digest(bytes(HASH), keys[-HASH:], "sha256")
        keys += hmac.digest(extracted, b"cerby-key-portal audit mac next\x01", "sha256")
    return bytes(keys[(epoch - first) * HASH :][:HASH])


def states_after(states: frozenset[str], event: str, details: Line) -> frozenset[str]:
    """Return the states in which a key can be after an event (see ``LIFE``); none if it is impossible."""
    event += "+found" if details.get("found") is True else ""
    event += "+removed" if details.get("after") == {"status": "removed"} else ""
    return _states_after(states, event)


def rotation_states_after(states: frozenset[str], event: str) -> frozenset[str]:
    return frozenset(
        state if to == "=" else to
        for sources, to, events in ROTATION_STEPS
        for state in states
        if event in events and (state in sources or ("any" in sources and state not in {"new", *OVER}))
    )


@functools.lru_cache(1024)  # also lets keys in the same states share one set, which saves memory
def _states_after(states: frozenset[str], event: str) -> frozenset[str]:
    after: set[str] = set()
    for sources, state, events in STEPS:
        if event in events:
            matching = states - {"new"} if "any" in sources else states & sources
            after |= matching if state == "=" else {state for _ in matching}
    return frozenset(after)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


class Tree:
    """An append-only Merkle tree (RFC 6962), kept as the roots of its full subtrees, the largest first."""

    def __init__(self) -> None:
        self.size, self.full = 0, list[bytes]()

    def add(self, leaf: bytes) -> None:
        self.add_subtree(sha256(b"\0", leaf), 1)

    def add_subtree(self, root: bytes, count: int) -> None:
        """Append a full subtree of ``count`` leaves, a power of two that the present size allows."""
        self.size += count
        self.full.append(root)
        for _ in range((self.size & -self.size).bit_length() - count.bit_length()):
            right = self.full.pop()
            self.full.append(sha256(b"\1", self.full.pop(), right))

    def root(self) -> bytes:
        root = self.full[-1] if self.full else sha256()
        for left in self.full[-2::-1]:
            root = sha256(b"\1", left, root)
        return root


def root_by_proof(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Compute the root from an inclusion proof (RFC 6962, 2.1.1). Raise ``ValueError`` if it does not fit."""
    if not 0 <= index < size or (size == 1) != (not path):
        raise ValueError("The proof does not fit this index.")
    if size == 1:
        return sha256(b"\0", leaf)
    left = 1 << (size - 1).bit_length() - 1  # the number of leaves on the left of the root
    if index < left:
        return sha256(b"\1", root_by_proof(leaf, index, left, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], root_by_proof(leaf, index - left, size - left, path[:-1]))


def known_keys(vkeys: Iterable[str]) -> Keys:
    """Return public keys by name and id (C2SP signed-note). Raise ``ValueError`` for other kinds of keys."""
    keys: Keys = {}
    for vkey in vkeys:
        name, number, text = vkey.strip().split("+", 2)
        public = base64.b64decode(text)
        key_id = sha256(f"{name}\n".encode(), public)[:4]
        if public[:1] != b"\1" or key_id.hex() != number:
            raise ValueError(f"{vkey} is not an Ed25519 key.")
        keys[name, key_id] = Ed25519PublicKey.from_public_bytes(public[1:])
    return keys


def read_note(note: str, keys: Keys) -> Checkpoint:
    """Read a checkpoint (C2SP tlog-checkpoint). Raise ``ValueError`` unless a known key has signed it."""
    text, _, signatures = note.rpartition("\n\n")
    origin, size, root, at = text.split("\n")
    for line in signatures.strip("\n").split("\n"):
        dash, name, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if dash == "—" and name == origin and (name, raw[:4]) in keys:
            try:
                keys[name, raw[:4]].verify(raw[4:], f"{text}\n".encode())
            except InvalidSignature as forged:
                raise ValueError("Its signature is invalid.") from forged
            signed_at = datetime.fromisoformat(at.removeprefix("at "))
            return Checkpoint(int(size), base64.b64decode(root), signed_at)
    raise ValueError("It is not signed with a known key.")


@dataclass
class Request:
    """A request for approval: who asked, for which act, and who approved the act with this hash so far."""

    by: str
    act: Line
    digest: str
    needed: int
    state: str
    break_glass: bool
    approved: set[str] = field(default_factory=set)
    key: str = ""
    changes: int = 0  # of the key's scopes, when the approval was used

    @classmethod
    def of(cls, leaf: Line) -> Request:
        details, alone = leaf["details"], leaf["type"] == "request:break-glass:done"
        state = "approved" if alone else "open"
        return cls(leaf["actor"]["id"], details["frozen"], details["digest"], details["needed"], state, alone)

    def fits(self, leaf: Line) -> bool:
        """Return whether an act has the values that were approved. An accepted offer has fewer scopes."""
        asked, values = self.act, leaf["details"]
        if leaf["type"] == "bulk:start:done":
            return bool(values["count"] == asked.get("count", len(asked.get("keys", ()))))
        scopes = set(asked.get("scopes", ()))
        if leaf["type"] == "key:start-rescope:done":
            wanted = (asked.get("key"), scopes, scopes | {asked.get("scope")})
            return (leaf["key"]["id"], set(values["before"]), set(values["after"])) == wanted
        same = (leaf["key"]["name"], values["purpose"]) == (asked.get("name"), asked.get("purpose"))
        return bool(same and set(values["scopes"]) <= scopes)

    def take(self, event: str, leaf: Line, *, may_again: bool) -> bool:
        """Apply the event, and return whether it was possible."""
        who, same = leaf["actor"]["id"], leaf["details"]["digest"] == self.digest
        own, state = who == self.by, self.state
        match event:
            case "request:approve:done":
                is_next = state == "open" and not own and who not in self.approved and same
                self.approved.add(who)
                self.state = "approved" if len(self.approved) >= self.needed else state
            case "request:deny:done":
                is_next, self.state = state == "open" and not own and same, "ended"
            case "request:offer:done":
                is_next = state == "open" and not own
            case "request:accept:done":
                is_next, self.digest = state == "open" and own, leaf["details"]["digest"]
                self.approved.clear()
            case "request:decline:done":
                is_next = state == "open" and own
            case "request:withdraw:done":
                is_next, self.state = state in {"open", "approved"} and own and same, "ended"
            case "request:go-stale:done":
                is_next, self.state = state in {"open", "approved", "used"} and same, "ended"
            case "request:use:done":
                is_next = (state == "approved" or (state == "used" and bool(self.key) and may_again)) and same
                self.state, self.key = "used", ""
            case _:
                is_next = event == "request:review:done" and self.break_glass and not own and same
        return is_next


class Verifier:
    """The state after the events so far, and the checks of the next event, checkpoint or anchor."""

    def __init__(self, keys: Keys, escrows: Iterable[Line], now: datetime) -> None:
        self.report, self.keys, self.tree = Report(), keys, Tree()
        self.chains = {each["chain"]: (each["epoch"], bytearray.fromhex(each["key"])) for each in escrows}
        self.latest = now  # the latest time in the whole log
        self.newest = self.unsigned_since = LONG_AGO  # the time of recent events; of the first unsigned one
        self.next_index = self.agreed = self.agreed_anchor = 0  # sizes up to which checkpoints, anchors agree
        self.only_anchored: set[int] = set()  # sizes of which there are anchors, but no checkpoint so far
        self.complete = True  # no index has been missing so far
        self.erased: dict[str, int] = {}  # by leaf hash: the indexes of erased events that no erasure lists
        self.listed: set[str] = set()  # leaf hashes that an erasure lists, and that were not erased so far
        self.lists = False  # whether an erasure has listed its events so far
        self.erased_earlier = 0  # erasures without a list cover the events up to this index
        self.forged: set[str] = set()  # leaf hashes of the events that the portal found forged
        self.ids: dict[str, datetime] = {}
        self.prune_at = RECENT_IDS
        self.key_states: dict[str, frozenset[str]] = {}
        self.requests: dict[str, Request] = {}
        self.scope_changes: Counter[str] = Counter()  # by key

    def check_event(self, line: Line, *, sealed: bool) -> datetime:
        """Check one event and, if it is sealed, compare it with those before it. Return its time."""
        index, raw, at = self.next_index, line["leaf"].encode("utf-8", "surrogateescape"), self.latest
        changed = sealed and sha256(b"\0", raw).hex() != line["hash"]
        errors = {Kind.HASH: "Its bytes were changed." if changed else ""}
        try:
            leaf, mac = read_leaf(raw), line["mac"]
            at = datetime.fromisoformat(leaf["at"])
            errors[Kind.COLUMNS] = column_error(leaf, line["columns"])
            errors[Kind.PERSONAL] = personal_error(leaf, line["columns"], line["personal"], line["salt"])
            errors[Kind.MAC] = self.mac_error(raw, mac["chain"], mac["epoch"], mac["tag"])
            if sealed:
                errors[Kind.DUPLICATE] = self.duplicate_error(leaf["id"], at)
                errors[Kind.TIME] = self.time_error(at, mac["epoch"])
                errors[Kind.LIFE] = self.life_error(leaf)
                errors[Kind.APPROVAL] = self.approval_error(leaf)
            self.note_forgeries(leaf)
            self.note_erasure(leaf, raw, line["salt"])
            self.latest = max(self.latest, at)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
            errors[Kind.FORM] = str(wrong) or type(wrong).__name__
        for kind, words in errors.items():
            if words:
                self.report.add(kind, index, words)
        return at

    def mac_error(self, raw: bytes, chain: str, epoch: int, tag: str) -> str:
        """Check the MAC: HMAC-SHA256 of the event, with the key of the 15 minutes in which it was written."""
        first, keys = self.chains.get(chain, (epoch + 1, bytearray()))
        is_mac = re.fullmatch("[0-9a-f]{8} [0-9a-f]{64}", f"{chain} {tag}") and epoch <= epoch_of(
            datetime.now(UTC) + timedelta(days=1)
        )
        if not is_mac or (self.chains and chain not in self.chains):
            return "Its MAC is malformed, or belongs to a chain without a given key."
        if epoch < first:
            self.report.unchecked += 1
            return ""
        right = hmac.digest(mac_key(epoch, first, keys), raw, "sha256").hex()
        return "" if tag == right else "Its MAC is wrong."

    def time_error(self, at: datetime, epoch: int) -> str:
        """Check that the time is not before earlier events and checkpoints, and fits the MAC's epoch."""
        before, self.newest = self.newest, max(at, self.newest) if at >= self.newest - TOLERANCE else at
        if at < before - TOLERANCE:
            return f"Its time is {at}, and that of an earlier event {before}."
        in_time = epoch_of(at - TOLERANCE) <= epoch <= epoch_of(at + TOLERANCE)
        return "" if in_time else f"Its time is {at}, but its MAC was made at another time."

    def duplicate_error(self, uid: str, at: datetime) -> str:
        """Check that the id is new. Recent ids suffice, because a repeated older event has the wrong time."""
        if len(self.ids) > self.prune_at:
            self.ids = {known: then for known, then in self.ids.items() if then >= self.newest - TOLERANCE}
            self.prune_at = max(RECENT_IDS, 2 * len(self.ids))
        return "" if self.ids.setdefault(uid, at) is at else f"Its id is {uid}."

    def life_error(self, leaf: Line) -> str:
        """Check that the event is possible after the earlier events of its key."""
        if leaf["key"] is None:
            return ""
        if leaf["type"].startswith("rotation:") and not self.is_next(leaf["type"], leaf["details"]):
            return f"{leaf['type']} does not follow for the rotation {leaf['details']['rotation']}."
        key, before = leaf["key"]["id"], self.key_states.get(leaf["key"]["id"], frozenset({"new"}))
        after = states_after(before, leaf["type"], leaf["details"])
        self.key_states[key] = after or before
        return "" if after else f"{leaf['type']} for the key {key} in state {' or '.join(sorted(before))}."

    def is_next(self, event: str, details: Line) -> bool:
        """Return whether the event is possible after the earlier ones of its rotation."""
        known = self.key_states.get(details["rotation"], frozenset({"new"}))
        said = details.get("before", {}).get("state", "new")
        after = frozenset({details["after"]["state"]})
        self.key_states[details["rotation"]] = after
        return {said} == known and said not in OVER and after <= rotation_states_after(known, event)

    def approval_error(self, leaf: Line) -> str:
        """Check that the event is possible for its request, and that an act with a request was approved."""
        event, details = leaf["type"], leaf["details"]
        if event in {"key:rescope:done", "key:change:done"}:
            self.scope_changes[leaf["key"]["id"]] += 1
        if "request" not in details:
            return ""
        request = self.requests.get(details["request"])
        if event in {"request:open:done", "request:break-glass:done"}:
            self.requests[details["request"]] = Request.of(leaf)
            return f"{event} for the request {details['request']}, which exists." if request else ""
        if request is None:
            return f"{event} for the request {details['request']}, which nobody opened."
        if event in {"key:request:done", "bulk:start:done", "key:start-rescope:done"}:
            is_right = request.state == "used" and request.digest == details["digest"] and request.fits(leaf)
            request.key = leaf["key"]["id"] if leaf["key"] else ""
            request.changes = self.scope_changes[request.key]
            return "" if is_right else f"{event} is not the act that was approved: {details['request']}."
        if "scope" in request.act:
            may_again = self.scope_changes[request.key] == request.changes
        else:
            may_again = self.key_states.get(request.key, frozenset()) <= {"refused", "absent"}
        is_next = request.take(event, leaf, may_again=may_again)
        return "" if is_next else f"{event} for the request {details['request']} in state {request.state}."

    def note_forgeries(self, leaf: Line) -> None:
        """Report the events whose MAC was wrong when the portal sealed them, as it recorded then."""
        if leaf["type"] == "record:find-forgery:done":
            for index, digest in zip(leaf["details"]["events"], leaf["details"]["leaves"], strict=True):
                if digest not in self.forged:
                    self.forged.add(digest)
                    self.report.add(Kind.FORGED, index, "Found when the event was sealed or signed.")

    def note_erasure(self, leaf: Line, raw: bytes, salt: str | None) -> None:
        """Match erased events with the erasures that list them.

        Old erasures list none. They cover the events before them, until the first list: that one also names
        every event that was erased before it.
        """
        if salt is None:
            self.report.erased += 1
            digest = sha256(b"\0", raw)[:16].hex()
            if digest not in self.listed:
                self.erased.setdefault(digest, self.next_index)
        if leaf["type"] in {"person:erase:done", "record:list-erased:done"}:
            leaves = leaf["details"].get("leaves")
            if leaves is None:
                self.erased_earlier = self.next_index
            for digest in leaves or ():
                if self.erased.pop(digest, None) is None:
                    self.listed.add(digest)
            self.lists = self.lists or leaves is not None

    def checkpoints(self, lines: Iterable[Line]) -> Iterator[Checkpoint]:
        """Yield the checkpoints that are signed, match their rows and increase; report the others."""
        before = Checkpoint(-1, b"", LONG_AGO)
        for line in lines:
            self.only_anchored.discard(line["size"])
            try:
                point = read_note(line["note"], self.keys)
                at = datetime.fromisoformat(line["at"])
                row = Checkpoint(line["size"], bytes.fromhex(line["root"]), at)
            except ValueError as wrong:
                self.report.add(Kind.SIGNATURE, max(before.size, 0), f"Checkpoint of {line['size']}: {wrong}")
                continue
            if row != point or point.size <= before.size:
                words = f"one for {point.size}" if row.size != point.size else "a different root or time"
                words = f"The row for {row.size} events has {words}."
                self.report.add(Kind.REPLAYED, max(before.size, 0), words)
                continue
            yield point
            before = point

    def anchors(self, lines: Iterable[Line]) -> dict[int, set[bytes]]:
        """Return the roots in the anchors, by size."""
        roots_by_size: dict[int, set[bytes]] = {}
        for line in lines:
            try:
                point = read_note(line["note"], self.keys)
            except ValueError as wrong:
                self.report.add(Kind.SIGNATURE, 0, f"Anchor: {wrong}")
                continue
            roots_by_size.setdefault(point.size, set()).add(point.root)
            self.latest = max(self.latest, point.at)
        self.only_anchored = set(roots_by_size)
        return roots_by_size

    def check_checkpoint(self, point: Checkpoint) -> None:
        """Compare the events so far with a checkpoint of this size."""
        if self.complete and self.tree.root() == point.root:
            self.agreed = point.size
        elif self.complete:
            self.report.add(Kind.ROOT, self.agreed, f"Checkpoint of {point.size} events.", point.size - 1)
        if self.newest > point.at + TOLERANCE:
            words = f"Its time is {self.newest}, but it was signed at {point.at}."
            self.report.add(Kind.TIME, point.size - 1, words)
        self.newest, self.latest = max(self.newest, point.at), max(self.latest, point.at)
        self.report.checkpoint, self.unsigned_since = point, LONG_AGO

    def check_anchor(self, roots: set[bytes], *, followed: bool) -> None:
        """Compare the events so far with the anchored roots; report FORK only if the checkpoints agree."""
        if roots == {self.tree.root()}:
            self.agreed_anchor = self.next_index
            # If no checkpoint follows, this one may have been signed after the bundle was written.
            if followed and self.next_index in self.only_anchored:
                self.report.add(Kind.UNSIGNED, self.next_index - 1, f"It is for {self.next_index} events.")
        elif Kind.ROOT not in self.report.found:
            words = f"Anchor of {self.next_index} events."
            self.report.add(Kind.FORK, self.agreed_anchor, words, self.next_index - 1)

    def check_end(self, not_reached: Iterable[Checkpoint], anchored: int, late: datetime) -> None:
        """Check that no checkpoint or anchor has more events than the log, and that all events are signed."""
        report, size = self.report, self.next_index
        report.events = size
        for point in not_reached:
            words = f"The log has {size} events, and a checkpoint {point.size}."
            report.add(Kind.TRUNCATED if size else Kind.EMPTY, size, words)
        if anchored > size:
            words = f"The log has {size} events, and an anchor {anchored}."
            report.add(Kind.ROLLED_BACK if size else Kind.EMPTY, size, words)
        if LONG_AGO < self.unsigned_since < self.latest - SEALED_WITHIN:
            signed = report.checkpoint.size if report.checkpoint else 0
            report.add(Kind.UNSIGNED, signed, f"Since {self.unsigned_since}.")
        elif self.agreed_anchor in self.only_anchored and not report.checkpoint:
            report.add(Kind.UNSIGNED, 0, f"It is for {self.agreed_anchor} events.")
        if late < self.latest - SEALED_WITHIN:
            report.add(Kind.UNSEALED, size, f"Since {late}.")
        for index in sorted(self.erased.values()):
            if self.lists or index >= self.erased_earlier:
                report.add(Kind.ERASED, index, "")


def verify(record: Record, keys: Keys, escrows: Iterable[Line] = (), now: datetime = LONG_AGO) -> Report:
    """Verify a log. ``escrows`` are the first keys of MAC chains; pass ``now`` if the log is a live one."""
    verifier = Verifier(keys, escrows, now)
    report, roots_by_size = verifier.report, verifier.anchors(record["anchors"])
    checkpoints = verifier.checkpoints(record["checkpoints"])
    next_checkpoint = next(checkpoints, None)
    for line in record["events"]:
        if line["index"] < verifier.next_index:
            report.add(Kind.DUPLICATE, line["index"], "Its number occurred before.")
            continue
        if line["index"] > verifier.next_index:
            report.add(Kind.MISSING, verifier.next_index, "", line["index"] - 1)
            verifier.complete, verifier.next_index = False, line["index"]
        at = verifier.check_event(line, sealed=True)
        verifier.unsigned_since = verifier.unsigned_since if verifier.unsigned_since > LONG_AGO else at
        verifier.tree.add(line["leaf"].encode("utf-8", "surrogateescape"))
        verifier.next_index += 1
        while next_checkpoint is not None and next_checkpoint.size <= verifier.next_index:
            verifier.check_checkpoint(next_checkpoint)
            next_checkpoint = next(checkpoints, None)
        if verifier.complete and verifier.next_index in roots_by_size:
            verifier.check_anchor(roots_by_size[verifier.next_index], followed=next_checkpoint is not None)
    late = datetime.max.replace(tzinfo=UTC)
    for report.unsealed, line in enumerate(record["unsealed"], 1):
        late = min(late, verifier.check_event(line, sealed=False))
    not_reached = [next_checkpoint, *checkpoints] if next_checkpoint else []
    verifier.check_end(not_reached, max(roots_by_size, default=0), late)
    return report


def lines_of(path: Any) -> Iterator[Line]:
    """Yield the JSON object of each line. Text before it, such as a syslog header, is skipped."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line[line.index("{") :]) for line in file if line.strip())


def notes_of(path: Any) -> Iterator[Line]:
    """Yield the signed notes of an anchor: JSON lines, or a text such as a mail that contains notes."""
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    if not first or "{" in first:
        yield from lines_of(path)
        return
    note = r"[^\n]+\n\d+\n[A-Za-z0-9+/=]+\nat [^\n]+\n\n(?:— [^\n]+\n?)+"
    yield from ({"note": found} for found in re.findall(note, path.read_text(encoding="utf-8")))


def bundle_at(path: Path, anchors: Iterable[Path] = ()) -> tuple[Record, str]:
    """Return the log in a bundle, with additional anchors, and the key that the bundle claims as its own."""
    folder: Any = path if path.is_dir() else zipfile.Path(path)
    record = {name: lines_of(folder / f"{name}.jsonl") for name in ("events", "unsealed", "checkpoints")}
    record["anchors"] = chain(*map(notes_of, [folder / "anchors.jsonl", *anchors]))
    return record, (folder / "vkey").read_text(encoding="utf-8")


def check_proof(proof: str, keys: Keys) -> tuple[bool, str]:
    """Return whether a C2SP tlog-proof proves the event in it, and a message. Raises ``ValueError``."""
    head, _, note = proof.partition("\n\n")
    _, extra, index, *path = head.split("\n")
    raw, point = base64.b64decode(extra.removeprefix("extra ")), read_note(note, keys)
    number, hashes = int(index.removeprefix("index ")), [base64.b64decode(each) for each in path]
    proved = root_by_proof(raw, number, point.size, hashes) == point.root
    words = f"event {number} of the {point.size} events that were signed at {point.at}"
    return proved, f"{raw.decode()}\nThis is {'' if proved else 'NOT '}{words}."


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", nargs="?", type=Path, help="a folder or a .zip")
    parser.add_argument("--proof", type=Path, help="a .tlog-proof of one event, instead of a bundle")
    parser.add_argument("--vkey", action="append", default=[], help="the public key, or a file that holds it")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a file with signed notes")
    parser.add_argument("--ratchet", action="append", default=[], type=Path, help="the first MAC key")
    arguments = parser.parse_args()
    try:
        keys = known_keys(
            Path(vkey).read_text(encoding="utf-8") if Path(vkey).is_file() else vkey
            for vkey in arguments.vkey
        )
        if arguments.proof:
            proved, words = check_proof(arguments.proof.read_text(encoding="utf-8"), keys)
            print(words)
            return 0 if proved else 1
        record, vkey = bundle_at(arguments.bundle, arguments.anchor)
        keys = keys or known_keys(vkey.split())
        report = verify(record, keys, [json.loads(ratchet.read_text()) for ratchet in arguments.ratchet])
    except CANNOT_READ as error:
        print(f"This cannot be checked: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
