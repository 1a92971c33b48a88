"""Verify an evidence pack of the Cerby Key Portal, trusting only one public key.

    python verify_pack.py PACK.zip --vkey VKEY [--anchor FILE …] [--ratchet FILE …]

PACK is a .zip or a folder. The file verify_bundle.py must be in the same folder as this one: get both from a
source you trust. They need Python 3.11 and the package cryptography, no network, and no part of the portal.
Exit status: 0 no problems found, 1 problems found, 2 the pack cannot be read.
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
    from keys.verifier import verify_bundle as bundle
else:
    import verify_bundle as bundle

FORMAT = "cerby-key-portal/evidence/1"
EVERY_FILE = {
    *("README.txt", "keys.csv", "keys.jsonl", "people.csv", "policy.csv", "policy.json", "events.csv"),
    *("events.jsonl", "unsigned.jsonl", "proof.json", "checkpoint", "checkpoints.jsonl", "anchors.jsonl"),
    *("vkey", "verify_bundle.py", "verify_pack.py"),
}
SIGNED_LAST = {"manifest.json", "manifest.sig"}
ANY_STATE = frozenset({"new"}).union(*({state} | sources for sources, state, _ in bundle.STEPS)) - {
    "any",
    "=",
}
CHUNK = 1 << 20
FAST = 3000  # milliseconds
PLANS = {"key:plan:done", "key:owner-leave:done"}


class PartVerifier(bundle.Verifier):
    """Verify a range of events. The earlier ones are missing, so each key may be in any state at first."""

    def life_error(self, leaf: dict[str, Any]) -> str:
        if leaf["key"] is not None:
            self.key_states.setdefault(leaf["key"]["id"], ANY_STATE)
            before = leaf["details"].get("before", {})
            if leaf["type"].startswith("rotation:") and "state" in before:
                self.key_states.setdefault(leaf["details"]["rotation"], frozenset({before["state"]}))
        return super().life_error(leaf)


class Pack:
    """The files of a pack, and the problems found in them, as sentences."""

    def __init__(self, path: Path, keys: bundle.Keys) -> None:
        self.root: Any = path if path.is_dir() else zipfile.Path(path)
        self.keys, self.problems = keys, list[str]()
        self.manifest = json.loads(self.text("manifest.json"))

    def text(self, name: str) -> str:
        return str((self.root / name).read_text(encoding="utf-8"))

    def check(self, *, holds: bool, words: str) -> None:
        if not holds:
            self.problems.append(words)

    def check_manifest(self) -> None:
        """Check that a known key has signed the manifest's bytes."""
        text, _, signatures = self.text("manifest.sig").rpartition("\n\n")
        digest = hashlib.sha256((self.root / "manifest.json").read_bytes()).hexdigest()
        self.check(
            holds=text == f"{FORMAT}\nsha256 {digest}", words="manifest.json was changed after it was signed."
        )
        self.check(
            holds=self._is_signed(f"{text}\n", signatures), words="manifest.sig has no valid signature."
        )
        self.check(holds=self.manifest["format"] == FORMAT, words="manifest.json has another format.")

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
        """Check that the pack has exactly the files of the manifest, with these SHA-256."""
        here = {file.name for file in self.root.iterdir() if file.is_file()}
        named = set(self.manifest["files"])
        for name in sorted(EVERY_FILE - named):
            self.problems.append(f"manifest.json does not name {name}.")
        for name in sorted(here - named - SIGNED_LAST):
            self.problems.append(f"{name} is not named in manifest.json.")
        for name in sorted(named):
            found = self._sha256(name) if name in here else "missing"
            self.check(
                holds=found == self.manifest["files"][name]["sha256"],
                words=f"{name} was changed after the pack was signed.",
            )

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with (self.root / name).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def check_keys(self) -> int:
        """Check that the key tables have the manifest's number of keys, each once. Return their number."""
        count, last = 0, ""
        for key in bundle.lines_of(self.root / "keys.jsonl"):
            count += 1
            self.check(holds=key["id"] > last, words=f"keys.jsonl has {key['id']} twice or out of order.")
            last = key["id"]
        with (self.root / "keys.csv").open(encoding="utf-8", newline="") as sheet:
            rows = sum(1 for _ in csv.reader(sheet)) - 1
        expected = self.manifest["keys"]["count"]
        self.check(
            holds=count == rows == expected,
            words=f"keys.jsonl has {count} keys, keys.csv has {rows}, and manifest.json says {expected}.",
        )
        return count

    def check_plans(self) -> None:
        """Check that offboarding.jsonl has the newest event about each key of the leaver, and no other."""
        leaver = self.manifest.get("offboarding")
        if leaver is None:
            return
        newest: dict[str, dict[str, Any]] = {}
        for name in ("events.jsonl", "unsigned.jsonl"):
            for line in bundle.lines_of(self.root / name):
                leaf = json.loads(line["leaf"])
                about = leaf["type"] in PLANS and leaf["details"].get("person") == leaver["person"]
                if about and self._is_within(line):
                    newest[leaf["key"]["id"]] = leaf
        listed = 0
        for row in bundle.lines_of(self.root / "offboarding.jsonl"):
            listed += 1
            self.check(
                holds=_plan_of(row["event"]) == _plan_of_leaf(newest.pop(row["key"], None)),
                words=f"offboarding.jsonl has another plan for {row['key']} than the events.",
            )
        for key in sorted(newest):
            self.problems.append(f"offboarding.jsonl lacks {key}, about which there are events.")
        expected = leaver["keys"]
        self.check(
            holds=listed == expected,
            words=f"offboarding.jsonl has {listed} keys, and manifest.json says {expected}.",
        )

    def check_review(self) -> None:
        """Count the decisions of a review again, from its events, and compare them with its items."""
        said = self.manifest.get("review")
        if said is not None:
            events = [leaf for leaf in self._leaves() if leaf["details"].get("campaign") == said["campaign"]]
            items = list(bundle.lines_of(self.root / "review.jsonl"))
            self.problems += review_problems(said, items, events)

    def _leaves(self) -> Iterator[dict[str, Any]]:
        for name in ("events.jsonl", "unsigned.jsonl"):
            for line in bundle.lines_of(self.root / name):
                if self._is_within(line):
                    yield json.loads(line["leaf"])

    def check_events(self, escrows: Iterable[dict[str, Any]], anchors: list[Path]) -> PartVerifier:
        """Check each event, and compare all of them with the signed checkpoints and the anchors."""
        proof = json.loads(self.text("proof.json"))
        start, end, size = proof["start"], proof["end"], proof["size"]
        part = PartVerifier(self.keys, escrows, bundle.LONG_AGO)
        notes = [self.root / "anchors.jsonl", *anchors]
        roots_by_size = part.anchors(line for path in notes for line in bundle.notes_of(path))
        roots = self._signed_roots(part, roots_by_size)
        roots.setdefault(size, set()).add(self._newest(size))
        self._begin(part, start, proof["before"])
        roots = {at: each for at, each in roots.items() if start <= at <= end or at == size}
        self._compare(part, roots)
        within = 0
        for line in bundle.lines_of(self.root / "events.jsonl"):
            self.check(
                holds=line["index"] == part.next_index,
                words=f"events.jsonl has event {line['index']} instead of {part.next_index}.",
            )
            part.check_event(line, sealed=True)
            part.tree.add(line["leaf"].encode("utf-8", "surrogateescape"))
            part.next_index += 1
            within += self._is_within(line)
            self._compare(part, roots)
        self.check(
            holds=part.next_index == end,
            words=f"events.jsonl ends before event {part.next_index}; it must end before event {end}.",
        )
        self._finish(part, size, proof["after"])
        self._compare(part, roots)
        unsigned = 0
        for line in bundle.lines_of(self.root / "unsigned.jsonl"):
            unsigned += 1
            part.check_event(line, sealed=False)
        expected = self.manifest["events"]
        self.check(
            holds=(within, unsigned) == (expected["signed"], expected["unsigned"]),
            words=f"The pack has {within} signed and {unsigned} unsigned events of the period; manifest.json "
            f"says {expected['signed']} and {expected['unsigned']}.",
        )
        part.report.events, part.report.unsealed = within, unsigned
        return part

    def _is_within(self, line: dict[str, Any]) -> bool:
        return bool(self.manifest["since"] <= line["columns"]["at"] < self.manifest["until"])

    def _signed_roots(
        self, part: PartVerifier, roots_by_size: dict[int, set[bytes]]
    ) -> dict[int, set[bytes]]:
        """Return the roots of the anchors and of the pack's checkpoints, by size."""
        for point in part.checkpoints(bundle.lines_of(self.root / "checkpoints.jsonl")):
            roots_by_size.setdefault(point.size, set()).add(point.root)
        return roots_by_size

    def _newest(self, size: int) -> bytes:
        note = self.text("checkpoint")
        if not note and not size:
            return bundle.sha256()
        point = bundle.read_note(note, self.keys)
        self.check(
            holds=point.size == size,
            words=f"proof.json is for {size} events, but the checkpoint is for {point.size}.",
        )
        return point.root

    def _begin(self, part: PartVerifier, start: int, before: list[str]) -> None:
        part.next_index = part.tree.size = start
        part.tree.full = [bytes.fromhex(digest) for digest in before]
        self.check(
            holds=len(before) == start.bit_count(),
            words="proof.json has too many or too few hashes in before.",
        )

    def _finish(self, part: PartVerifier, size: int, after: list[str]) -> None:
        """Append the subtrees after the range, each as large as its index and the tree's size allow."""
        for digest in after:
            left, place = size - part.tree.size, part.tree.size
            if left <= 0:
                self.problems.append("proof.json has too many hashes in after.")
                return
            count = 1 << left.bit_length() - 1
            part.tree.add_subtree(bytes.fromhex(digest), min(count, place & -place) if place else count)
        self.check(holds=part.tree.size == size, words="proof.json has too few hashes in after.")

    def _compare(self, part: PartVerifier, roots: dict[int, set[bytes]]) -> None:
        signed = roots.pop(part.tree.size, None)
        if signed is not None and signed != {part.tree.root()}:
            self.problems.append(f"The first {part.tree.size} events do not give the signed root.")


def _plan_of(event: dict[str, Any] | None) -> tuple[Any, ...] | None:
    if event is None:
        return None
    people = [(event.get(name) or {}).get("id") for name in ("to", "assigned")]
    return event["type"], event["at"], event.get("decision"), event.get("until"), *people


def _plan_of_leaf(leaf: dict[str, Any] | None) -> tuple[Any, ...] | None:
    kind = leaf["type"].rpartition(":")[0] if leaf else ""
    return _plan_of({**leaf["details"], "type": kind, "at": leaf["at"]}) if leaf else None


def review_problems(
    said: dict[str, Any], items: list[dict[str, Any]], events: list[dict[str, Any]]
) -> Iterator[str]:
    """Yield what is wrong with a review: its frozen items, its decisions, its figures and its sign-off."""
    of_kind: dict[str, list[dict[str, Any]]] = {}
    for leaf in events:
        of_kind.setdefault(leaf["type"], []).append(leaf)
    opened = [leaf["details"] for leaf in of_kind.get("review:open:done", [])]
    digest = hashlib.sha256()
    for item in items:
        text = json.dumps(
            [item["key"], item["snapshot"], item["comparison"]], sort_keys=True, separators=(",", ":")
        )
        digest.update(text.encode() + b"\n")
    frozen = {"count": len(items), "items_digest": digest.hexdigest()[:32]}
    if [{name: one[name] for name in frozen} for one in opened] != [frozen]:
        yield "review.jsonl has other items than those that were frozen when the review opened."
    decided: dict[str, dict[str, Any]] = {}
    for leaf in of_kind.get("key:review:done", []):
        if leaf["key"]["id"] in decided:
            yield f"The review has two decisions about {leaf['key']['id']}."
        decided[leaf["key"]["id"]] = leaf
    answers: dict[str, int] = {}
    for item in items:
        found = decided.pop(item["key"], None)
        yield from _decision_problems(item, found)
        answer = found["details"]["answer"] if found else item["decision"] or "undecided"
        answers[answer] = answers.get(answer, 0) + 1
        item["leaf"] = found
    yield from (f"The review has a decision about {key}, but no item." for key in sorted(decided))
    counted = {name: count for name, count in answers.items() if name != "undecided"}
    ends = of_kind.get("review:close:done", []) + of_kind.get("review:sign:done", [])
    if answers != said["answers"] or any(leaf["details"]["answers"] != counted for leaf in ends):
        yield "The review's decisions are counted wrongly."
    if _figures(items) != {one.pop("person"): _without_name(one) for one in map(dict, said["figures"])}:
        yield "The figures of the review's reviewers do not follow from the events."
    yield from _sign_off_problems(
        said, of_kind, {leaf["actor"]["id"] for leaf in of_kind.get("key:review:done", [])}
    )


def _without_name(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name != "name"}


def _decision_problems(item: dict[str, Any], leaf: dict[str, Any] | None) -> Iterator[str]:
    key, details = item["key"], leaf["details"] if leaf else {}
    by = leaf["actor"]["id"] if leaf else None
    answer = details.get("answer", "not_certified" if item["decision"] == "not_certified" else "")
    row = (item["decision"], item["by"], item["in_bulk"], item["milliseconds"])
    if row != (answer, by, "together" in details, details.get("milliseconds")):
        yield f"review.jsonl has another decision about {key} than the events."
    has_finding = bool(item["snapshot"]["findings"])
    if "together" in details and (answer != "keep" or has_finding or item["comparison"] != "same"):
        yield f"{key} was decided together with others, although it had changed or has a finding."
    if leaf and answer == "keep" and has_finding and not leaf["reason"]:
        yield f"{key} has a finding and was kept without a sentence."


def _figures(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    people: dict[str, list[dict[str, Any]]] = {}
    for leaf in (item["leaf"] for item in items if item["leaf"]):
        people.setdefault(leaf["actor"]["id"], []).append(leaf["details"])
    found = {}
    for person, decisions in people.items():
        times = sorted(one["milliseconds"] for one in decisions if one["milliseconds"] is not None)
        found[person] = {
            "decided": len(decisions),
            "in_bulk": sum("together" in one for one in decisions),
            "fast": sum(took < FAST for took in times),
            "median": times[(len(times) - 1) // 2] if times else None,
        }
    return found


def _sign_off_problems(
    said: dict[str, Any], of_kind: dict[str, list[dict[str, Any]]], reviewers: set[str]
) -> Iterator[str]:
    signed = of_kind.get("review:sign:done", [])
    if [leaf["actor"]["id"] for leaf in signed] != ([said["signed_by"]] if said["signed_by"] else []):
        yield "The review was not signed off by the person whom the manifest names."
    for leaf in signed:
        if leaf["actor"]["id"] in reviewers:
            yield "The review was signed off by a person who decided about one of its keys."
        if leaf["actor"]["role"] not in {"Owner", "Super Admin"}:
            yield "The review was signed off by a person who is neither an Owner nor a Super Admin."
        if not any(one["at"] <= leaf["at"] for one in of_kind.get("review:close:done", [])):
            yield "The review was signed off before it was closed."


def check_pack(
    path: Path, vkeys: Iterable[str], anchors: list[Path], escrows: list[dict[str, Any]]
) -> Iterator[str]:
    """Yield the lines of the report: first the problems, then a summary."""
    keys = bundle.known_keys(vkeys)
    pack = Pack(path, keys)
    pack.check_manifest()
    pack.check_files()
    keys_found = pack.check_keys()
    part = pack.check_events(escrows, anchors)
    pack.check_plans()
    pack.check_review()
    yield part.report.macs
    yield from pack.problems
    yield from map(str, part.report.damage)
    yield f"{keys_found} keys as of {pack.manifest['as_of']}, requested by {pack.manifest['asked_by']}."
    yield (
        f"{part.report.events} events from {pack.manifest['since']} to before {pack.manifest['until']}, "
        f"and {part.report.unsealed} that no checkpoint signs yet."
    )
    unlisted = f"{len(part.erased)} of them are not listed by an erasure in this pack." if part.erased else ""
    yield f"Personal data is erased in {part.report.erased} events. {unlisted}".rstrip()
    yield "PROBLEMS FOUND." if pack.problems or part.report.found else "No problems found."


def run(arguments: list[str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines of the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pack", type=Path, help="a .zip or a folder")
    parser.add_argument("--vkey", action="append", required=True, help="the public key, or a file with it")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a file of signed notes")
    parser.add_argument("--ratchet", action="append", default=[], type=Path, help="the first MAC key")
    options = parser.parse_args(arguments)
    try:
        given = [
            Path(each).read_text(encoding="utf-8") if Path(each).is_file() else each for each in options.vkey
        ]
        escrows = [json.loads(path.read_text(encoding="utf-8")) for path in options.ratchet]
        report = list(check_pack(options.pack, " ".join(given).split(), options.anchor, escrows))
    except bundle.CANNOT_READ as error:
        return 2, [f"This cannot be checked: {error}"]
    return (0 if report[-1] == "No problems found." else 1), report


if __name__ == "__main__":
    status, lines = run(sys.argv[1:])
    print("\n".join(lines), file=sys.stderr if status == 2 else sys.stdout)  # noqa: PLR2004 - as above
    sys.exit(status)
