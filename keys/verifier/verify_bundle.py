"""Check a bundle of the key portal's record, believing nothing of it but one public key.

    python verify_bundle.py BUNDLE --vkey VKEY [--anchor FILE …] [--ratchet FILE …]
    python verify_bundle.py --proof FILE.tlog-proof --vkey VKEY

BUNDLE is a folder or a .zip. Get VKEY from whoever keeps it for the auditors: the copy in the bundle proves
only that the bundle agrees with itself. This file needs Python 3.11 and the package cryptography, no network,
and nothing of the portal: it shares no code with what wrote the record. ``Kind`` says what can be wrong, the
functions check one thing each, ``Verifier`` and ``verify`` bring them together. Exit status: 0 nothing is
wrong, 1 something is, 2 it cannot be read.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = timedelta(minutes=5)  # of clocks on several machines, and of transactions that take their time
SEALED_WITHIN = timedelta(minutes=15)  # it takes about a second
EPOCH, HASH, LEAF = 900, 32, 8192  # seconds, bytes, bytes
TOO_HIGH, REMEMBERED = 2**53, 10_000  # a number, and how many ids
FIELDS = {"v", "id", "at", "type", "actor", "key", "reason", "details"}
PERSONAL = {"email", "owner", "owner_email", "owner_name", "full name", "ip", "browser", "filter"}
CANNOT_READ = (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(enum.Enum):
    """What can be wrong with a record, and what that means."""

    FORM = "An event is not written in the one form that an event can have."
    HASH = "An event is not the one whose hash was sealed at its place."
    COLUMNS = "What the database shows of an event is not what the event says."
    PERSONAL = "A name, address or browser is not the one that the event was written with."
    ERASED = "Personal data was erased, and no later event says so."
    MAC = "An event was not written by the portal, or was changed before it was sealed."
    MISSING = "Events are missing: the numbers have a gap."
    DUPLICATE = "An event stands there twice, or not in the order of its number."
    EMPTY = "There is no event at all, and some were signed: the table was emptied or dropped."
    TRUNCATED = "The newest events are missing: a checkpoint of this record counts more of them."
    ROLLED_BACK = "More events were signed: an older copy was restored, or the newest were cut off."
    ROOT = "The events do not give the root that was signed: one was changed, moved, added or removed."
    FORK = "Another history was signed: events were rewritten and signed again, or two portals sign."
    SIGNATURE = "A checkpoint or anchor is not signed by the key of this record."
    REPLAYED = "A checkpoint does not follow from the one before: it is an old one, or its row was changed."
    UNSEALED = "An event waits far too long to be sealed: it was hidden, or the sealing stands still."
    UNSIGNED = "A checkpoint is missing: none signs what was sealed long ago, or an anchor has one more."
    TREE = "A stored hash of the tree is not that of the events below it: proofs made with it fail."
    TIME = "An event has the wrong time for its place: a clock was wrong, or the time was chosen."
    LIFE = "A key's story is impossible: such as viewed twice, ended twice, generated but never asked for."


# How a key may live: from which states, to which ("=": it stays), what happens; "+": as its details tell.
# Where an event leaves two states possible, what follows must fit one of them.
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
ready claimed held                   > revoked    key:change:done+removed
ready claimed held                   > revoking   key:start-delete:done
absent refused revoked               > revoking   key:start-delete:done
in_doubt ready claimed               > held       key:keep:done
absent refused revoked               > held       key:keep:done
revoking                             > revoked    key:delete:done key:confirm-removal:done
held revoking revoked                > =          key:delete:failed
ready claimed held                   > =          key:register:done key:change:done
claimed held revoking                > =          key:identify:done
held revoking revoked                > =          key:adopt:done
in_doubt absent held revoking revoked > =         key:look-up:done
claimed held revoking revoked        > =          key:start-save:done key:store:failed key:store:refused
ready claimed held revoking revoked  > =          key:start-rescope:done key:rescope:done key:rescope:failed
ready claimed held revoking revoked  > =          key:miss:done
any                                  > =          attempt:refuse:refused key:reveal:refused
"""
STEPS = [
    (set(sources.split()), state, events)
    for sources, _, then in (line.partition(">") for line in LIFE.strip().splitlines())
    for state, *events in [then.split()]
]

Line = dict[str, Any]
Record = Mapping[str, Iterable[Line]]  # "events", "unsealed", "checkpoints" and "anchors", line by line
Keys = dict[tuple[str, bytes], Ed25519PublicKey]


class Checkpoint(NamedTuple):
    size: int
    root: bytes
    at: datetime


@dataclass
class Damage:
    """Where ``kind`` shows first, from event ``index`` to ``last``, and how often in all."""

    kind: Kind
    index: int
    last: int
    words: str
    times: int = 0

    @property
    def where(self) -> str:
        return f"event {self.index}" if self.last <= self.index else f"events {self.index} to {self.last}"

    def __str__(self) -> str:
        more = f" ({self.times} times in all.)" if self.times > 1 else ""
        return f"{self.kind.name} at {self.where}. {self.kind.value} {self.words}{more}"


@dataclass
class Report:
    """What was looked at, and what is wrong. ``unchecked``: events whose MAC no given key can check."""

    events: int = 0
    unsealed: int = 0
    erased: int = 0
    unchecked: int = 0
    checkpoint: Checkpoint | None = None
    found: dict[Kind, Damage] = field(default_factory=dict)

    @property
    def damage(self) -> list[Damage]:
        """The first of each kind, the earliest event first."""
        return sorted(self.found.values(), key=lambda damage: damage.index)

    def add(self, kind: Kind, index: int, words: str, last: int = -1) -> None:
        self.found.setdefault(kind, Damage(kind, index, last, words)).times += 1

    def __str__(self) -> str:
        point = self.checkpoint
        signed = f"{point.size} of them, at {point.at}" if point else "none of them"
        return "\n".join(
            [
                *map(str, self.damage),
                f"{self.events} sealed events; the newest checkpoint signs {signed}.",
                f"{self.unsealed} events are not sealed yet.",
                f"Personal data is erased in {self.erased}; of {self.unchecked} the MAC was not checked.",
                "DAMAGED" if self.found else "Nothing is wrong.",
            ]
        )


def _number(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,16}", text) or abs(int(text)) >= TOO_HIGH:
        raise ValueError(f"{text[:20]} is no whole number below 2**53.")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> Line:
    return dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")))


JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_number
)


def read_leaf(raw: bytes) -> Line:
    """An event's fields. Raises ``ValueError`` unless ``raw`` is their one spelling by RFC 8785."""
    leaf: Line = JSON.decode(raw.decode())
    if json.dumps(leaf, ensure_ascii=False, separators=(",", ":")).encode() != raw or len(raw) > LEAF:
        raise ValueError("Its bytes are not the canonical ones.")
    if leaf.keys() != FIELDS or leaf["v"] != 1 or not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", leaf["at"]):
        raise ValueError("It is not an event of version 1.")
    for path, value in hashed(leaf):
        if not re.fullmatch(r"(h:[0-9a-f]{64})?", value):
            raise ValueError(f"{path} can be read in it.")
    return leaf


def hashed(leaf: Line) -> Iterator[tuple[str, str]]:
    """The path and the hash of every personal value: of who acted, and at any depth of the details."""
    for name in ("name", "email", "ip", "browser") if leaf["actor"] is not None else ():
        yield f"actor.{name}", leaf["actor"][name]
    ahead = [("details", leaf["details"])]
    while ahead:
        path, value = ahead.pop()
        parts: Iterable[tuple[Any, Any]] = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for name, part in parts:
            if name in PERSONAL and isinstance(part, str):
                yield f"{path}.{name}", part
            else:
                ahead.append((f"{path}.{name}", part))


def wrong_columns(leaf: Line, columns: Line) -> str:
    """Every column that is not personal says what the event says."""
    kind, _, outcome = leaf["type"].rpartition(":")
    actor, key = leaf["actor"] or {"id": None, "role": ""}, leaf["key"] or {"id": None, "name": ""}
    said = {name: leaf[name] for name in ("at", "reason", "details")} | {"type": kind, "outcome": outcome}
    said |= {
        "actor_id": actor["id"],
        "actor_role": actor["role"],
        "key_id": key["id"],
        "key_name": key["name"],
    }
    return ", ".join(name for name, value in said.items() if columns[name] != value)


def wrong_personal(leaf: Line, columns: Line, personal: Line, salt: str | None) -> str:
    """The readable personal values are those that were hashed; or all are erased, together with the salt."""
    shown = {f"actor.{name}": columns[f"actor_{name}"] for name in ("name", "email")}
    shown |= {f"actor.{name}": columns[name] for name in ("ip", "browser")} | personal
    if leaf["actor"] is None and shown["actor.name"] == "The portal":
        del shown["actor.name"]
    for path, value in hashed(leaf) if salt is not None else ():
        text = shown.pop(path, "")
        known = "h:" + sha256(bytes.fromhex(salt or ""), f"{path}\0{text}".encode()).hex() if text else ""
        if value != known:
            return path
    return ", ".join(path for path, text in shown.items() if text)


def epoch_of(at: datetime) -> int:
    return int(at.timestamp()) // EPOCH


def mac_key(epoch: int, first: int, keys: bytearray) -> bytes:
    """The key of ``epoch``: ``keys`` begins with that of ``first``; HKDF (RFC 5869) leads to the next."""
    while len(keys) <= (epoch - first) * HASH:
        extracted = hmac.digest(bytes(HASH), keys[-HASH:], "sha256")
        keys += hmac.digest(extracted, b"cerby-key-portal audit mac next\x01", "sha256")
    return bytes(keys[(epoch - first) * HASH :][:HASH])


def states_after(states: frozenset[str], event: str, details: Line) -> frozenset[str]:
    """In which states, by ``LIFE``, a key may be after an event; none where the event is impossible."""
    event += "+found" if details.get("found") is True else ""
    event += "+removed" if details.get("after") == {"status": "removed"} else ""
    return _states_after(states, event)


@functools.lru_cache(1024)  # so that many keys in the same states share one set of them
def _states_after(states: frozenset[str], event: str) -> frozenset[str]:
    after: set[str] = set()
    for sources, state, events in STEPS:
        if event in events:
            may = states - {"new"} if "any" in sources else states & sources
            after |= may if state == "=" else {state for _ in may}
    return frozenset(after)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


class Tree:
    """A Merkle tree (RFC 6962) that grows: the roots of its full subtrees, the largest first."""

    def __init__(self) -> None:
        self.size, self.full = 0, list[bytes]()

    def add(self, leaf: bytes) -> None:
        self.add_subtree(sha256(b"\0", leaf), 1)

    def add_subtree(self, root: bytes, count: int) -> None:
        """A full one of ``count`` leaves, a power of two, where such a one may begin."""
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
    """Where an inclusion proof (RFC 6962, 2.1.1) leads. Raises ``ValueError`` for one of another place."""
    if not 0 <= index < size or (size == 1) != (not path):
        raise ValueError("The proof is not one for this place.")
    if size == 1:
        return sha256(b"\0", leaf)
    left = 1 << (size - 1).bit_length() - 1  # so many leaves are on the left of the root
    if index < left:
        return sha256(b"\1", root_by_proof(leaf, index, left, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], root_by_proof(leaf, index - left, size - left, path[:-1]))


def known_keys(vkeys: Iterable[str]) -> Keys:
    """The keys by name and id (C2SP signed-note). Raises ``ValueError`` for what is not an Ed25519 key."""
    keys: Keys = {}
    for vkey in vkeys:
        name, number, text = vkey.strip().split("+", 2)
        public = base64.b64decode(text)
        key_id = sha256(f"{name}\n".encode(), public)[:4]
        if public[:1] != b"\1" or key_id.hex() != number:
            raise ValueError(f"{vkey} is no Ed25519 key.")
        keys[name, key_id] = Ed25519PublicKey.from_public_bytes(public[1:])
    return keys


def read_note(note: str, keys: Keys) -> Checkpoint:
    """A checkpoint (C2SP tlog-checkpoint). Raises ``ValueError`` unless a known key has signed it."""
    text, _, signatures = note.rpartition("\n\n")
    origin, size, root, at = text.split("\n")
    for line in signatures.strip("\n").split("\n"):
        dash, name, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if dash == "—" and name == origin and (name, raw[:4]) in keys:
            try:
                keys[name, raw[:4]].verify(raw[4:], f"{text}\n".encode())
            except InvalidSignature as forged:
                raise ValueError("Its signature is false.") from forged
            return Checkpoint(
                int(size), base64.b64decode(root), datetime.fromisoformat(at.removeprefix("at "))
            )
    raise ValueError("It is signed by another key.")


class Verifier:
    """What was read so far, and whether what comes next fits."""

    def __init__(self, keys: Keys, escrows: Iterable[Line], now: datetime) -> None:
        self.report, self.keys, self.tree = Report(), keys, Tree()
        self.chains = {each["chain"]: (each["epoch"], bytearray.fromhex(each["key"])) for each in escrows}
        self.latest, self.newest, self.waits = now, BEGINNING, BEGINNING  # of all; of late; not signed since
        self.place = 0  # the number of the event that comes next
        self.good = self.anchored = 0  # up to where a checkpoint, an anchor, agrees
        self.unheld: set[int] = set()  # sizes that an anchor holds, and no checkpoint so far
        self.whole = True  # no number is missing so far
        self.erased = -1  # the first event that was, since the last event that says so
        self.ids: dict[str, datetime] = {}
        self.full_at = REMEMBERED
        self.lives: dict[str, frozenset[str]] = {}

    def event(self, line: Line, *, sealed: bool) -> datetime:
        """Check one event by itself and, where it is sealed, among those before it. Returns its time."""
        index, raw, at = self.place, line["leaf"].encode("utf-8", "surrogateescape"), self.latest
        other = sealed and sha256(b"\0", raw).hex() != line["hash"]
        wrongs = {Kind.HASH: "Its bytes are others." if other else ""}
        try:
            leaf, mac = read_leaf(raw), line["mac"]
            at = datetime.fromisoformat(leaf["at"])
            wrongs[Kind.COLUMNS] = wrong_columns(leaf, line["columns"])
            wrongs[Kind.PERSONAL] = wrong_personal(leaf, line["columns"], line["personal"], line["salt"])
            wrongs[Kind.MAC] = self.wrong_mac(raw, mac["chain"], mac["epoch"], mac["tag"])
            if sealed:
                wrongs[Kind.DUPLICATE] = self.repeated(leaf["id"], at)
                wrongs[Kind.TIME] = self.wrong_time(at, mac["epoch"])
                wrongs[Kind.LIFE] = self.wrong_life(leaf)
            self.note_erasure(leaf["type"], line["salt"])
            self.latest = max(self.latest, at)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
            wrongs[Kind.FORM] = str(wrong) or type(wrong).__name__
        for kind, words in wrongs.items():
            if words:
                self.report.add(kind, index, words)
        return at

    def wrong_mac(self, raw: bytes, chain: str, epoch: int, tag: str) -> str:
        """A MAC is HMAC-SHA256 of the event, with the key of the quarter of an hour it was written in."""
        first, keys = self.chains.get(chain, (epoch + 1, bytearray()))
        is_one = re.fullmatch("[0-9a-f]{8} [0-9a-f]{64}", f"{chain} {tag}") and epoch <= epoch_of(
            datetime.now(UTC) + timedelta(days=1)
        )
        if not is_one or (self.chains and chain not in self.chains):
            return "Its MAC is none, or of a chain to which no key was given."
        if epoch < first:
            self.report.unchecked += 1
            return ""
        right = hmac.digest(mac_key(epoch, first, keys), raw, "sha256").hex()
        return "" if tag == right else "Its MAC is wrong."

    def wrong_time(self, at: datetime, epoch: int) -> str:
        """Time goes on, from event to event and from checkpoint to event; a MAC is made with its event."""
        before, self.newest = self.newest, max(at, self.newest) if at >= self.newest - TOLERANCE else at
        if at < before - TOLERANCE:
            return f"It says {at}, after {before}."
        in_time = epoch_of(at - TOLERANCE) <= epoch <= epoch_of(at + TOLERANCE)
        return "" if in_time else f"It says {at}, and its MAC is of another quarter of an hour."

    def repeated(self, uid: str, at: datetime) -> str:
        """Recent ids suffice: an older event that is there again has the wrong time."""
        if len(self.ids) > self.full_at:
            self.ids = {known: then for known, then in self.ids.items() if then >= self.newest - TOLERANCE}
            self.full_at = max(REMEMBERED, 2 * len(self.ids))
        return "" if self.ids.setdefault(uid, at) is at else f"Its id is {uid}."

    def wrong_life(self, leaf: Line) -> str:
        """What happens to a key is possible after all that has happened to it."""
        if leaf["key"] is None:
            return ""
        key, before = leaf["key"]["id"], self.lives.get(leaf["key"]["id"], frozenset({"new"}))
        after = states_after(before, leaf["type"], leaf["details"])
        self.lives[key] = after or before
        return "" if after else f"{leaf['type']} for the key {key}, which is {' or '.join(sorted(before))}."

    def note_erasure(self, event: str, salt: str | None) -> None:
        if event == "person:erase:done":
            self.erased = -1
        if salt is None:
            self.report.erased += 1
            self.erased = self.place if self.erased < 0 else self.erased

    def checkpoints(self, lines: Iterable[Line]) -> Iterator[Checkpoint]:
        """Those that are signed, as their rows say, and follow one another; any other is damage."""
        before = Checkpoint(-1, b"", BEGINNING)
        for line in lines:
            self.unheld.discard(line["size"])
            try:
                point = read_note(line["note"], self.keys)
                at = datetime.fromisoformat(line["at"])
                row = Checkpoint(line["size"], bytes.fromhex(line["root"]), at)
            except ValueError as wrong:
                self.report.add(Kind.SIGNATURE, max(before.size, 0), f"Checkpoint of {line['size']}: {wrong}")
                continue
            if row != point or point.size <= before.size:
                words = f"that of {point.size}" if row.size != point.size else "another root or time"
                self.report.add(Kind.REPLAYED, max(before.size, 0), f"The row of {row.size} has {words}.")
                continue
            yield point
            before = point

    def anchors(self, lines: Iterable[Line]) -> dict[int, set[bytes]]:
        """The roots that the anchors hold, by size."""
        held: dict[int, set[bytes]] = {}
        for line in lines:
            try:
                point = read_note(line["note"], self.keys)
            except ValueError as wrong:
                self.report.add(Kind.SIGNATURE, 0, f"Anchor: {wrong}")
                continue
            held.setdefault(point.size, set()).add(point.root)
            self.latest = max(self.latest, point.at)
        self.unheld = set(held)
        return held

    def at_checkpoint(self, point: Checkpoint) -> None:
        """Compare the events so far with the checkpoint that signs them."""
        if self.whole and self.tree.root() == point.root:
            self.good = point.size
        elif self.whole:
            self.report.add(Kind.ROOT, self.good, f"Checkpoint of {point.size}.", point.size - 1)
        if self.newest > point.at + TOLERANCE:
            self.report.add(
                Kind.TIME, point.size - 1, f"It says {self.newest}, and was signed at {point.at}."
            )
        self.newest, self.latest = max(self.newest, point.at), max(self.latest, point.at)
        self.report.checkpoint, self.waits = point, BEGINNING

    def at_anchor(self, roots: set[bytes], *, followed: bool) -> None:
        """Compare the events so far with what anchors hold; where no checkpoint fits, that says it all."""
        if roots == {self.tree.root()}:
            self.anchored = self.place
            if followed and self.place in self.unheld:  # else it was signed after the bundle was written
                self.report.add(Kind.UNSIGNED, self.place - 1, f"That of {self.place}.")
        elif Kind.ROOT not in self.report.found:
            self.report.add(Kind.FORK, self.anchored, f"Anchor of {self.place}.", self.place - 1)

    def at_end(self, unmet: Iterable[Checkpoint], anchored: int, late: datetime) -> None:
        """The record goes as far as its checkpoints and anchors do, and its checkpoints as far as it does."""
        report, size = self.report, self.place
        report.events = size
        for point in unmet:
            words = f"It ends with {size}, and a checkpoint counts {point.size}."
            report.add(Kind.TRUNCATED if size else Kind.EMPTY, size, words)
        if anchored > size:
            words = f"It ends with {size}, and an anchor counts {anchored}."
            report.add(Kind.ROLLED_BACK if size else Kind.EMPTY, size, words)
        if BEGINNING < self.waits < self.latest - SEALED_WITHIN:
            signed = report.checkpoint.size if report.checkpoint else 0
            report.add(Kind.UNSIGNED, signed, f"Since {self.waits}.")
        elif self.anchored in self.unheld and not report.checkpoint:
            report.add(Kind.UNSIGNED, 0, f"That of {self.anchored}.")
        if late < self.latest - SEALED_WITHIN:
            report.add(Kind.UNSEALED, size, f"Since {late}.")
        if self.erased >= 0:
            report.add(Kind.ERASED, self.erased, "")


def verify(record: Record, keys: Keys, escrows: Iterable[Line] = (), now: datetime = BEGINNING) -> Report:
    """Check a record. ``escrows``: first keys of MAC chains; ``now``: for a record as it is now."""
    verifier = Verifier(keys, escrows, now)
    report, held = verifier.report, verifier.anchors(record["anchors"])
    checkpoints = verifier.checkpoints(record["checkpoints"])
    due = next(checkpoints, None)
    for line in record["events"]:
        if line["index"] < verifier.place:
            report.add(Kind.DUPLICATE, line["index"], "Its number was there before.")
            continue
        if line["index"] > verifier.place:
            report.add(Kind.MISSING, verifier.place, "", line["index"] - 1)
            verifier.whole, verifier.place = False, line["index"]
        at = verifier.event(line, sealed=True)
        verifier.waits = verifier.waits if verifier.waits > BEGINNING else at
        verifier.tree.add(line["leaf"].encode("utf-8", "surrogateescape"))
        verifier.place += 1
        while due is not None and due.size <= verifier.place:
            verifier.at_checkpoint(due)
            due = next(checkpoints, None)
        if verifier.whole and verifier.place in held:
            verifier.at_anchor(held[verifier.place], followed=due is not None)
    late = datetime.max.replace(tzinfo=UTC)
    for report.unsealed, line in enumerate(record["unsealed"], 1):
        late = min(late, verifier.event(line, sealed=False))
    verifier.at_end([due, *checkpoints] if due else [], max(held, default=0), late)
    return report


def lines_of(path: Any) -> Iterator[Line]:
    """A JSON value per line; what stands before it, as in a file that syslog wrote, is passed over."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line[line.index("{") :]) for line in file if line.strip())


def notes_of(path: Any) -> Iterator[Line]:
    """What an anchor left: lines as above, or a text such as a mail, with signed notes in it."""
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    if not first or "{" in first:
        yield from lines_of(path)
        return
    note = r"[^\n]+\n\d+\n[A-Za-z0-9+/=]+\nat [^\n]+\n\n(?:— [^\n]+\n?)+"
    yield from ({"note": found} for found in re.findall(note, path.read_text(encoding="utf-8")))


def bundle_at(path: Path, anchors: Iterable[Path] = ()) -> tuple[Record, str]:
    """The record in a bundle, with further anchors, and the key that the bundle says is its own."""
    folder: Any = path if path.is_dir() else zipfile.Path(path)
    record = {name: lines_of(folder / f"{name}.jsonl") for name in ("events", "unsealed", "checkpoints")}
    record["anchors"] = chain(*map(notes_of, [folder / "anchors.jsonl", *anchors]))
    return record, (folder / "vkey").read_text(encoding="utf-8")


def prove(proof: str, keys: Keys) -> tuple[bool, str]:
    """Whether a C2SP tlog-proof proves the event that it carries, and what to say. Raises ``ValueError``."""
    head, _, note = proof.partition("\n\n")
    _, extra, index, *path = head.split("\n")
    raw, point = base64.b64decode(extra.removeprefix("extra ")), read_note(note, keys)
    number, hashes = int(index.removeprefix("index ")), [base64.b64decode(each) for each in path]
    proved = root_by_proof(raw, number, point.size, hashes) == point.root
    words = f"event {number} of the {point.size} that were signed at {point.at}"
    return proved, f"{raw.decode()}\nThis is {'' if proved else 'NOT '}{words}."


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", nargs="?", type=Path, help="a folder or a .zip")
    parser.add_argument("--proof", type=Path, help="a .tlog-proof of one event, instead of a bundle")
    parser.add_argument("--vkey", action="append", default=[], help="the public key, or a file that holds it")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a file of signed notes")
    parser.add_argument(
        "--ratchet", action="append", default=[], type=Path, help="the escrow of the MACs' keys"
    )
    asked = parser.parse_args()
    try:
        keys = known_keys(
            Path(vkey).read_text(encoding="utf-8") if Path(vkey).is_file() else vkey for vkey in asked.vkey
        )
        if asked.proof:
            proved, words = prove(asked.proof.read_text(encoding="utf-8"), keys)
            print(words)
            return 0 if proved else 1
        record, vkey = bundle_at(asked.bundle, asked.anchor)
        keys = keys or known_keys(vkey.split())
        report = verify(record, keys, [json.loads(ratchet.read_text()) for ratchet in asked.ratchet])
    except CANNOT_READ as error:
        print(f"This cannot be checked: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
