"""Write bundles from the published formats only, without code of the portal or the verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
import zipfile
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ORIGIN = "portal.example/audit"
START = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
FIRST_KEY = bytes(range(32))
CHAIN = hashlib.sha256(FIRST_KEY).hexdigest()[:8]
FIRST_EPOCH = int(START.timestamp()) // 900 - 1
ESCROW = {"chain": CHAIN, "epoch": FIRST_EPOCH, "key": FIRST_KEY.hex()}
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
ADA = {
    "id": "7",
    "role": "Admin",
    "name": "Ada",
    "email": "ada@contenzilla.example",
    "ip": "192.0.2.7",
    "browser": "Firefox",
}
PERSONAL_DETAILS = {"email", "owner", "owner_email", "owner_name", "full name", "ip", "browser", "filter"}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """Compute the root exactly as RFC 6962, 2.1 defines it."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:]))


def path_to(index: int, leaves: list[bytes]) -> list[bytes]:
    """Compute the audit path as RFC 6962, 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*path_to(index, leaves[:k]), root_of(leaves[k:])]
    return [*path_to(index - k, leaves[k:]), root_of(leaves[:k])]


def vkey_of(key: Ed25519PrivateKey, origin: str = ORIGIN) -> str:
    public = b"\1" + key.public_key().public_bytes_raw()
    return f"{origin}+{key_id(public, origin).hex()}+{base64.b64encode(public).decode()}"


def key_id(public: bytes, origin: str = ORIGIN) -> bytes:
    return sha256(origin.encode() + b"\n" + public)[:4]


def note(size: int, root: bytes, at: datetime, key: Ed25519PrivateKey = SIGNER) -> str:
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\nat {written(at)}\n"
    signature = key_id(b"\1" + key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n— {ORIGIN} {base64.b64encode(signature).decode()}\n"


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def mac_of(leaf: bytes, epoch: int) -> dict[str, Any]:
    key = FIRST_KEY
    for _ in range(epoch - FIRST_EPOCH):
        key = HKDF(SHA256(), 32, None, b"cerby-key-portal audit mac next").derive(key)
    return {"chain": CHAIN, "epoch": epoch, "tag": hmac.digest(key, leaf, "sha256").hex()}


class Bundle:
    """A bundle whose files are lists of lines, so that a test can change them."""

    def __init__(self) -> None:
        self.files: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("events", "unsealed", "checkpoints", "anchors")
        }
        self.now = START

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.files["events"]

    def line(
        self, kind: str, *, key: str | None = None, actor: dict[str, str] | None = ADA, **details: Any
    ) -> dict[str, Any]:
        """Append an event, ``seconds`` after the last one."""
        self.now += timedelta(seconds=1)
        salt, personal = sha256(str(self.now).encode())[:16], {}

        def hash_personal(path: str, value: str) -> str:
            return "h:" + sha256(salt + path.encode() + b"\0" + value.encode()).hex() if value else ""

        def hide(value: Any, path: str) -> Any:
            if not isinstance(value, dict):
                return value
            return {
                name: keep(f"{path}.{name}", part)
                if name in PERSONAL_DETAILS
                else hide(part, f"{path}.{name}")
                for name, part in value.items()
            }

        def keep(path: str, value: str) -> str:
            personal[path] = value
            return hash_personal(path, value)

        who = actor and actor | {
            name: hash_personal(f"actor.{name}", actor[name]) for name in ("name", "email", "ip", "browser")
        }
        event, _, outcome = kind.rpartition(":")
        leaf = {
            "v": 1, "id": str(uuid.UUID(bytes=sha256(salt)[:16])), "at": written(self.now), "type": kind, "actor": who,
            "key": {"id": key, "name": "CI"} if key else None, "reason": "", "details": hide(details, "details"),
        }  # fmt: skip
        columns = {
            "at": leaf["at"], "type": event, "outcome": outcome, "actor_id": actor["id"] if actor else None,
            "actor_role": actor["role"] if actor else "", "actor_name": actor["name"] if actor else "The portal",
            "actor_email": actor["email"] if actor else "", "ip": actor["ip"] if actor else "",
            "browser": actor["browser"] if actor else "", "key_id": key, "key_name": "CI" if key else "",
            "reason": "", "details": leaf["details"],
        }  # fmt: skip
        line = {"columns": columns, "salt": salt.hex(), "personal": personal}
        return write_leaf(line, leaf, epoch=int(self.now.timestamp()) // 900)

    def add(self, kind: str, **said: Any) -> None:
        self.seal(self.line(kind, **said))

    def seal(self, line: dict[str, Any]) -> None:
        self.events.append({"index": len(self.events), **deepcopy(line)})

    def sign(self, key: Ed25519PrivateKey = SIGNER, *, anchor: bool = False) -> None:
        root = root_of([line["leaf"].encode() for line in self.events])
        text = note(len(self.events), root, self.now, key)
        self.files["checkpoints"].append(
            {"size": len(self.events), "root": root.hex(), "at": written(self.now), "note": text}
        )
        if anchor:
            self.files["anchors"].append({"anchor": "file", "at": written(self.now), "note": text})

    def write(self, path: Path) -> Path:
        files = {
            f"{name}.jsonl": "".join(json.dumps(line) + "\n" for line in lines)
            for name, lines in self.files.items()
        }
        files["vkey"] = vkey_of(SIGNER) + "\n"
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as packed:
                for name, text in files.items():
                    packed.writestr(name, text)
        else:
            path.mkdir()
            for name, text in files.items():
                (path / name).write_text(text)
        return path


def write_leaf(line: dict[str, Any], leaf: dict[str, Any], *, epoch: int | None = None) -> dict[str, Any]:
    """Replace the line's leaf and hash, and its MAC as well if ``epoch`` is given."""
    raw = rfc8785.dumps(leaf)
    line |= {"leaf": raw.decode(), "hash": sha256(b"\0" + raw).hex()}
    if epoch is not None:
        line["mac"] = mac_of(raw, epoch)
    return line


def changed(line: dict[str, Any], *, sealed_again: bool = True, **fields: Any) -> None:
    """Change the event and its columns consistently, as a careful attacker would."""
    leaf = json.loads(line["leaf"]) | fields
    hash_ = line["hash"]
    write_leaf(line, leaf)
    line["columns"] |= {name: value for name, value in fields.items() if name in line["columns"]}
    if not sealed_again:
        line["hash"] = hash_


K1, K2 = "f3f4c1d2-0000-4000-8000-000000000001", "f3f4c1d2-0000-4000-8000-000000000002"


def a_good_one() -> Bundle:
    """Return a valid bundle: 12 events, anchored checkpoints of 4, 8 and 12, and one unsealed event."""
    bundle = Bundle()
    said: Any
    for number, (kind, said) in enumerate(
        [
            ("session:start:done", {}),
            ("key:request:done", {"key": K1, "scopes": ["read:users"], "purpose": "Löhne 🎄 \x7f\u2028"}),
            ("key:call:done", {"key": K1}),
            ("key:issue:done", {"key": K1, "last_four": "wxyz"}),
            ("key:reveal:done", {"key": K1}),
            ("key:store:done", {"key": K1, "how": "confirmed by its owner"}),
            ("key:change:done", {"key": K1, "actor": None, "before": {"owner_email": "a@x.example"}, "after": {"owner_email": ""}}),
            ("person:change:done", {"actor": None, "email": "ada@contenzilla.example", "before": {"role": "User"}}),
            ("key:request:done", {"key": K2}),
            ("attempt:refuse:refused", {"key": K2, "action": "key:delete"}),
            ("inventory:export:done", {"filter": "q=ada", "count": 3}),
            ("session:end:done", {}),
        ],
        start=1,
    ):  # fmt: skip
        bundle.add(kind, **said)
        if number % 4 == 0:
            bundle.sign(anchor=True)
    bundle.files["unsealed"].append(bundle.line("session:start:refused"))
    return bundle
