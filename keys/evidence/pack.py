"""Write a signed evidence pack: the state as of a time, the events of a period, and their proofs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from keys.audit import reader, tree_store
from keys.evidence import keys_as_of, parts, people_as_of, policy_as_of
from keys.evidence.offboarding import Offboarding
from keys.evidence.parts import Period, as_line
from keys.evidence.readme import OFFBOARDING, README, REVIEW
from keys.evidence.review_in_pack import ReviewInPack
from keys.evidence.stream import ZipStream
from keys.models import AuditEvent, Checkpoint
from keys.rules import csv_cells
from keys.rules.errors import Conflict
from keys.rules.formatting import utc, utc_microseconds
from keys.tlog.checkpoint import Signer, signer, vkeys
from keys.verifier import verify_bundle

About = tuple[Offboarding | None, ReviewInPack | None]
FORMAT = "cerby-key-portal/evidence/1"


def pack(
    period: Period,
    *,
    asked_by: str,
    asked_at: datetime,
    name: str,
    offboarding: Offboarding | None = None,
    review: ReviewInPack | None = None,
) -> Generator[bytes, None, None]:
    """Yield the bytes of the .zip. Its README calls the file ``name``. An ``offboarding`` pack has its plans,
    and one of a ``review`` has its items.

    The pack proves the events that are signed when the export starts. CSV tables are collected in temporary
    files meanwhile. Raises ``Conflict`` if the portal has no signing key.
    """
    key = signer()
    if key is None:
        raise Conflict("PORTAL_AUDIT_SIGNING_KEY is not set, so an evidence pack cannot be signed.")
    request = {"asked_by": asked_by, "asked_at": utc_microseconds(asked_at), "name": name}
    return _written(key, period, request, (offboarding, review))


def _written(
    key: Signer, period: Period, request: dict[str, str], about: About
) -> Generator[bytes, None, None]:
    with ZipStream() as zipped:
        yield from _Pack(zipped, key, period, request, about).write()


class _Pack:
    """One pack while it is written. The manifest is completed part by part and written last."""

    def __init__(
        self,
        zipped: ZipStream,
        key: Signer,
        period: Period,
        request: dict[str, str],
        about: About,
    ) -> None:
        self._signer, self._period, self._zip = key, period, zipped
        self._offboarding, self._review = about
        self._checkpoint = Checkpoint.objects.order_by("-size").first()
        self._manifest: dict[str, Any] = {
            "format": FORMAT,
            "origin": key.name,
            **request,
            "since": utc_microseconds(period.since),
            "until": utc_microseconds(period.until),
            "as_of": utc_microseconds(period.as_of),
            "record_begins": _first_event_at(),
        }

    def write(self) -> Iterator[bytes]:
        people = people_as_of.people_as_of(self._period.as_of)
        yield from self._keys(people.emails())
        rows = (person.cells() for person in people.people)
        yield from self._zip.add("people.csv", parts.table(people_as_of.HEADER, rows))
        self._manifest["people"] = {"count": len(people.people), "changes_not_undone": people.unknown}
        yield from self._policy()
        yield from self._events()
        yield from self._plans()
        yield from self._items()
        yield from self._proofs()
        yield from self._end()

    def _plans(self) -> Iterator[bytes]:
        """Add the plans for the keys of a leaver, according to the events that are in the pack."""
        if self._offboarding:
            yield from self._zip.add("offboarding.jsonl", map(as_line, self._offboarding.rows()))
            yield from self._zip.add("offboarding.csv", self._offboarding.lines())
            count = len(self._offboarding.keys)
            leaver = self._offboarding
            who = {"person": leaver.person, "name": leaver.name, "email": leaver.email}
            self._manifest["offboarding"] = {**who, "left_at": leaver.left_at or "not yet", "keys": count}

    def _items(self) -> Iterator[bytes]:
        """Add the items of a review, as their rows are: the verifier compares them with the events."""
        if self._review:
            yield from self._zip.add("review.jsonl", map(as_line, self._review.rows()))
            yield from self._zip.add("review.csv", self._review.lines())
            self._manifest["review"] = self._review.summary()

    def _keys(self, emails: dict[int, str]) -> Iterator[bytes]:
        as_of, by_status = self._period.as_of, Counter[str]()
        with LineBuffer(csv_cells.line(parts.KEY_HEADER)) as sheet:

            def lines() -> Iterator[str]:
                for key in keys_as_of.keys_as_of(as_of, emails):
                    by_status[key.status] += 1
                    sheet.write(parts.key_line(key))
                    yield as_line(key.as_json())

            yield from self._zip.add("keys.jsonl", lines())
            yield from self._zip.add("keys.csv", sheet)
        query = keys_as_of.QUERY.format(as_of=utc(as_of))
        self._manifest["keys"] = {
            "count": by_status.total(),
            "by_status": dict(sorted(by_status.items())),
            "query": query,
        }

    def _policy(self) -> Iterator[bytes]:
        policy, since = policy_as_of.policy_as_of(self._period.as_of)
        self._manifest["policy"] = {"recorded_at": utc_microseconds(since) if since else None}
        text = json.dumps(policy, indent=2, ensure_ascii=False) + "\n"
        yield from self._zip.add("policy.json", [text])
        yield from self._zip.add("policy.csv", parts.policy_lines(policy))

    def _events(self) -> Iterator[bytes]:
        """Add the sealed events that cover the period, and the period's events that are not signed yet."""
        period, size = self._period, self._checkpoint.size if self._checkpoint else 0
        start, end = reader.index_range(period.since, period.until, size)
        counts = Counter[str]()
        with LineBuffer(csv_cells.line(parts.EVENT_HEADER)) as sheet:

            def lines(kind: str, events: Iterable[dict[str, Any]]) -> Iterator[str]:
                for event in events:
                    if parts.is_within(event, period):
                        counts[kind] += 1
                        sheet.write(parts.event_line(event))
                        if self._offboarding:
                            self._offboarding.note(event)
                    yield as_line(event)

            signed = reader.events_between(start, end)
            yield from self._zip.add("events.jsonl", lines("signed", signed))
            unsigned = reader.unsigned_between(period.since, period.until, size)
            yield from self._zip.add("unsigned.jsonl", lines("unsigned", unsigned))
            yield from self._zip.add("events.csv", sheet)
        before, after = tree_store.tree(size).range_proof(start, end)
        proof = {"start": start, "end": end, "size": size, "before": _hex(before), "after": _hex(after)}
        yield from self._zip.add("proof.json", [json.dumps(proof, indent=1) + "\n"])
        self._manifest["events"] = {"signed": counts["signed"], "unsigned": counts["unsigned"]}

    def _proofs(self) -> Iterator[bytes]:
        last = self._checkpoint.size if self._checkpoint else 0
        yield from self._zip.add("checkpoint", [self._checkpoint.note] if self._checkpoint else [])
        yield from self._zip.add("checkpoints.jsonl", map(as_line, reader.checkpoints_until(last)))
        yield from self._zip.add("anchors.jsonl", map(as_line, reader.anchor_lines()))
        yield from self._zip.add("vkey", [f"{vkey}\n" for vkey in vkeys()])
        here = Path(verify_bundle.__file__)
        yield from self._zip.add("verify_bundle.py", [here.read_text()])
        yield from self._zip.add("verify_pack.py", [here.with_name("verify_pack.py").read_text()])

    def _end(self) -> Iterator[bytes]:
        offboarding = OFFBOARDING.format(**self._manifest["offboarding"]) if self._offboarding else ""
        review = REVIEW.format(**self._manifest["review"]) if self._review else ""
        yield from self._zip.add("README.txt", [README.format(**self._manifest) + offboarding + review])
        self._manifest["files"] = {
            name: {"sha256": file.sha256, "bytes": file.size, "lines": file.lines}
            for name, file in self._zip.written.items()
        }
        yield from self._zip.add("manifest.json", [json.dumps(self._manifest, indent=1) + "\n"])
        # The first line differs from a checkpoint's, so that one cannot be passed off as the other.
        text = f"{FORMAT}\nsha256 {self._zip.written['manifest.json'].sha256}\n"
        yield from self._zip.add("manifest.sig", [self._signer.note(text)])
        yield from self._zip.end()


class LineBuffer(ExitStack):
    """Lines kept in a temporary file until they are needed."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed with this stack
        self.callback(self._file.close)
        self.write(first)

    def write(self, text: str) -> None:
        self._file.write(text.encode())

    def __iter__(self) -> Iterator[str]:
        """Yield lines of the file. One CSV record may span several of them."""
        self._file.seek(0)
        for data in self._file:
            yield data.decode()


def _first_event_at() -> str | None:
    first = AuditEvent.objects.order_by("at", "id").values_list("at", flat=True).first()
    return utc_microseconds(first) if first else None


def _hex(hashes: Iterable[bytes]) -> list[str]:
    return [digest.hex() for digest in hashes]
