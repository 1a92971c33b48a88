"""Measure an evidence pack of everything and a verification of the whole audit log."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable

from django.utils import timezone

from benchmarks import record
from benchmarks.costs import costing, resident
from benchmarks.databases import connect, using
from keys.audit import signer
from keys.audit.self_check import check
from keys.evidence.pack import pack
from keys.evidence.parts import Period
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent
from keys.tlog import mac_ratchet
from keys.tlog.state_files import path_of
from keys.verifier.verify_bundle import Report


def show(databases: Iterable[str]) -> None:
    """``databases``: as Django calls them, the smallest first, so that memory which is kept counts."""
    print("| events | what | s | of which busy | memory grew by, MB | |")
    print("|---:|---|---:|---:|---:|---|")
    memory = resident()
    for name in databases:
        database = connect(name)
        with using(database):
            _seal_what_waits()
            for words, work in _WORK.items():
                with costing(memory) as cost:
                    found = work()
                print(
                    f"| {AuditEvent.objects.count():,} | {words} | {cost.seconds:.1f} | {cost.busy:.1f}"
                    f" | {cost.megabytes:.1f} | {found} |",
                    flush=True,
                )
        database.close()


def _seal_what_waits() -> None:
    """Seal the events of other measurements. The last signed state may belong to another database."""
    path_of(signer.FILE).unlink(missing_ok=True)
    seal_all(uuid.uuid4())
    signer.sign()


def _pack() -> str:
    now = timezone.now()
    period = Period(AuditEvent.objects.earliest("at").at, now, now)
    size = sum(map(len, pack(period, asked_by="a benchmark", asked_at=now, name="evidence.zip")))
    return f"{size / 1e6:,.1f} MB"


def _verify() -> str:
    return _in_words(check())


def _verify_with_macs() -> str:
    """Verify with two escrows. The second stands for events of other measurements, which it cannot check."""
    mac_ratchet.mac(b"")
    return _in_words(check(escrows=[record.escrow(), json.loads(path_of(mac_ratchet.FILE).read_text())]))


def _in_words(report: Report) -> str:
    return "; ".join(map(str, report.damage)) or f"{report.events:,} events, nothing is wrong"


_WORK: dict[str, Callable[[], str]] = {
    "evidence pack of all keys and events": _pack,
    "verify the audit log": _verify,
    "the same, with the keys of the MACs": _verify_with_macs,
}
