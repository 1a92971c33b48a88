"""Check an evidence pack of the key portal, believing nothing of it but one public key.

    python verify_pack.py PACK.zip --vkey VKEY [--anchor FILE …] [--ratchet FILE …]

PACK is a .zip or a folder. The file verify_bundle.py must stand beside this one: take both from where you
trust them. Needs Python 3.11 and the package cryptography, no network, and nothing of the portal. Exit
status: 0 nothing is wrong, 1 something is, 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from keys.verifier import verify_bundle as whole
else:
    import verify_bundle as whole

FORMAT = "cerby-key-portal/evidence/1"
EVERY_FILE = {
    *("README.txt", "keys.csv", "keys.jsonl", "people.csv", "policy.csv", "policy.json", "events.csv"),
    *("events.jsonl", "unsigned.jsonl", "proof.json", "checkpoint", "checkpoints.jsonl", "anchors.jsonl"),
    *("vkey", "verify_bundle.py", "verify_pack.py"),
}
SIGNED_LAST = {"manifest.json", "manifest.sig"}
ANY_STATE = frozenset({"new"}).union(*({state} | sources for sources, state, _ in whole.STEPS)) - {"any", "="}
CHUNK = 1 << 20


class Part(whole.Verifier):
    """Checks events of which the earlier ones are not there: a key may be in any state at first."""

    def wrong_life(self, leaf: dict[str, Any]) -> str:
        if leaf["key"] is not None:
            self.lives.setdefault(leaf["key"]["id"], ANY_STATE)
        return super().wrong_life(leaf)


class Pack:
    """The files of a pack, and what is wrong with them, as sentences."""

    def __init__(self, path: Path, keys: whole.Keys) -> None:
        self.root: Any = path if path.is_dir() else zipfile.Path(path)
        self.keys, self.wrong = keys, list[str]()
        self.manifest = json.loads(self.text("manifest.json"))

    def text(self, name: str) -> str:
        return str((self.root / name).read_text(encoding="utf-8"))

    def check(self, *, holds: bool, words: str) -> None:
        if not holds:
            self.wrong.append(words)

    def check_manifest(self) -> None:
        """Signed by a known key, over these bytes."""
        text, _, signatures = self.text("manifest.sig").rpartition("\n\n")
        digest = hashlib.sha256((self.root / "manifest.json").read_bytes()).hexdigest()
        self.check(
            holds=text == f"{FORMAT}\nsha256 {digest}", words="manifest.json is not the one that was signed."
        )
        self.check(
            holds=self._is_signed(f"{text}\n", signatures), words="manifest.sig has no valid signature."
        )
        self.check(holds=self.manifest["format"] == FORMAT, words="manifest.json is of another format.")

    def _is_signed(self, text: str, signatures: str) -> bool:
        for line in signatures.strip("\n").split("\n"):
            _, name, signature = line.split(" ")
            raw = base64.b64decode(signature)
            key = self.keys.get((name, raw[:4]))
            if key is not None:
                try:
                    key.verify(raw[4:], text.encode())
                except InvalidSignature:
                    return False
                return True
        return False

    def check_files(self) -> None:
        """Exactly the files that the manifest names, each with its SHA-256."""
        here = {file.name for file in self.root.iterdir() if file.is_file()}
        named = set(self.manifest["files"])
        for name in sorted(EVERY_FILE - named):
            self.wrong.append(f"manifest.json does not name {name}.")
        for name in sorted(here - named - SIGNED_LAST):
            self.wrong.append(f"{name} is not named in manifest.json.")
        for name in sorted(named):
            found = self._sha256(name) if name in here else "missing"
            self.check(
                holds=found == self.manifest["files"][name]["sha256"],
                words=f"{name} is not the file that was signed.",
            )

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with (self.root / name).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def check_keys(self) -> int:
        """As many keys as the manifest says, each once, none made later."""
        count, last = 0, ""
        for key in whole.lines_of(self.root / "keys.jsonl"):
            count += 1
            self.check(holds=key["id"] > last, words=f"keys.jsonl has {key['id']} twice, or out of order.")
            last = key["id"]
        with (self.root / "keys.csv").open(encoding="utf-8", newline="") as sheet:
            rows = sum(1 for _ in csv.reader(sheet)) - 1
        said = self.manifest["keys"]["count"]
        self.check(
            holds=count == rows == said,
            words=f"keys.jsonl has {count} keys, keys.csv {rows}, and the manifest counts {said}.",
        )
        return count

    def check_events(self, escrows: Iterable[dict[str, Any]], anchors: list[Path]) -> Part:
        """Every event by itself, and all of them together against what was signed and anchored."""
        proof = json.loads(self.text("proof.json"))
        start, end, size = proof["start"], proof["end"], proof["size"]
        part = Part(self.keys, escrows, whole.BEGINNING)
        notes = [self.root / "anchors.jsonl", *anchors]
        held = part.anchors(line for path in notes for line in whole.notes_of(path))
        roots = self._signed_roots(part, held)
        roots.setdefault(size, set()).add(self._newest(size))
        self._begin(part, start, proof["before"])
        roots = {at: each for at, each in roots.items() if start <= at <= end or at == size}
        self._compare(part, roots)
        within = 0
        for line in whole.lines_of(self.root / "events.jsonl"):
            self.check(
                holds=line["index"] == part.place,
                words=f"events.jsonl has {line['index']} where {part.place} must be.",
            )
            part.event(line, sealed=True)
            part.tree.add(line["leaf"].encode("utf-8", "surrogateescape"))
            part.place += 1
            within += self._is_within(line)
            self._compare(part, roots)
        self.check(
            holds=part.place == end,
            words=f"events.jsonl ends before {part.place}, and must end before {end}.",
        )
        self._finish(part, size, proof["after"])
        self._compare(part, roots)
        unsigned = 0
        for line in whole.lines_of(self.root / "unsigned.jsonl"):
            unsigned += 1
            part.event(line, sealed=False)
        said = self.manifest["events"]
        self.check(
            holds=(within, unsigned) == (said["signed"], said["unsigned"]),
            words=f"There are {within} events and {unsigned} unsigned ones of the period; the manifest says "
            f"{said['signed']} and {said['unsigned']}.",
        )
        part.report.events, part.report.unsealed = within, unsigned
        return part

    def _is_within(self, line: dict[str, Any]) -> bool:
        return bool(self.manifest["since"] <= line["columns"]["at"] < self.manifest["until"])

    def _signed_roots(self, part: Part, held: dict[int, set[bytes]]) -> dict[int, set[bytes]]:
        """By size: what anchors hold, and every checkpoint of the pack, each of which must be signed."""
        for point in part.checkpoints(whole.lines_of(self.root / "checkpoints.jsonl")):
            held.setdefault(point.size, set()).add(point.root)
        return held

    def _newest(self, size: int) -> bytes:
        note = self.text("checkpoint")
        if not note and not size:
            return whole.sha256()
        point = whole.read_note(note, self.keys)
        self.check(
            holds=point.size == size, words=f"proof.json leads to {size}, the checkpoint is of {point.size}."
        )
        return point.root

    def _begin(self, part: Part, start: int, before: list[str]) -> None:
        part.place = part.tree.size = start
        part.tree.full = [bytes.fromhex(digest) for digest in before]
        self.check(
            holds=len(before) == start.bit_count(), words="proof.json has too many or too few hashes before."
        )

    def _finish(self, part: Part, size: int, after: list[str]) -> None:
        """Append the subtrees that follow, each as large as its place and the tree's size allow."""
        for digest in after:
            left, place = size - part.tree.size, part.tree.size
            if left <= 0:
                self.wrong.append("proof.json has too many hashes after.")
                return
            count = 1 << left.bit_length() - 1
            part.tree.add_subtree(bytes.fromhex(digest), min(count, place & -place) if place else count)
        self.check(holds=part.tree.size == size, words="proof.json has too few hashes after.")

    def _compare(self, part: Part, roots: dict[int, set[bytes]]) -> None:
        signed = roots.pop(part.tree.size, None)
        if signed is not None and signed != {part.tree.root()}:
            self.wrong.append(f"The first {part.tree.size} events do not give the root that was signed.")


def check(
    path: Path, vkeys: Iterable[str], anchors: list[Path], escrows: list[dict[str, Any]]
) -> Iterator[str]:
    """What there is to say, line by line: first what is wrong, then what was looked at."""
    keys = whole.known_keys(vkeys)
    pack = Pack(path, keys)
    pack.check_manifest()
    pack.check_files()
    keys_found = pack.check_keys()
    part = pack.check_events(escrows, anchors)
    yield from pack.wrong
    yield from map(str, part.report.damage)
    yield f"{keys_found} keys as of {pack.manifest['as_of']}, asked for by {pack.manifest['asked_by']}."
    yield (
        f"{part.report.events} events from {pack.manifest['since']} to before {pack.manifest['until']}, "
        f"and {part.report.unsealed} that no checkpoint signs yet."
    )
    yield f"Personal data is erased in {part.report.erased} events."
    yield f"Of {part.report.unchecked} the MAC was not checked: give its keys with --ratchet."
    yield "Something is WRONG." if pack.wrong or part.report.found else "Nothing is wrong."


def run(arguments: list[str]) -> tuple[int, list[str]]:
    """The exit status, and what to say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pack", type=Path, help="a .zip or a folder")
    parser.add_argument("--vkey", action="append", required=True, help="the public key, or a file with it")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a file of signed notes")
    parser.add_argument("--ratchet", action="append", default=[], type=Path, help="the escrow of the MACs")
    asked = parser.parse_args(arguments)
    try:
        given = [
            Path(each).read_text(encoding="utf-8") if Path(each).is_file() else each for each in asked.vkey
        ]
        escrows = [json.loads(path.read_text(encoding="utf-8")) for path in asked.ratchet]
        said = list(check(asked.pack, " ".join(given).split(), asked.anchor, escrows))
    except whole.CANNOT_READ as error:
        return 2, [f"This cannot be checked: {error}"]
    return (0 if said[-1] == "Nothing is wrong." else 1), said


if __name__ == "__main__":
    status, lines = run(sys.argv[1:])
    print("\n".join(lines), file=sys.stderr if status == 2 else sys.stdout)  # noqa: PLR2004 - as above
    sys.exit(status)
