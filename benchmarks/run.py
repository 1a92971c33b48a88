"""Compare the cost of pages with 1,000 and 1,000,000 keys, and measure other work."""

from __future__ import annotations

import gc
import itertools
import os
import platform
from pathlib import Path

import django
from django.core.management import call_command

from benchmarks import cases, evidence, plans, sealing, sign_in, silence, sync, writes
from benchmarks.choices import CHOSEN, SMALL, SQLITE_ONLY
from benchmarks.databases import connect, kept
from benchmarks.dataset import database_of
from benchmarks.requests import Browser
from benchmarks.timing import Result, measure
from keys.audit import chain
from keys.tlog import mac_ratchet
from keys.tlog.state_files import path_of

MIDDLE = 100_000
FLAT = 1.10
TIMES_EMPTY = 9.0


def main() -> None:
    print(f"\n{_machine()}; {CHOSEN.rounds} rounds.\n")
    parts = [CHOSEN.only] if CHOSEN.only in _PARTS else ["pages"] if CHOSEN.only or CHOSEN.plans else _PARTS
    for part in parts:
        if CHOSEN.database == "sqlite" or part not in SQLITE_ONLY:
            _PARTS[part]()


def _show_evidence() -> None:
    evidence.show([database_of(size, size) for size in (SMALL, MIDDLE, CHOSEN.size)])


def _start_own_chain() -> None:
    """Let this process write events into databases whose events have the MACs of another chain."""
    if not mac_ratchet.exists():
        mac_ratchet.init()
    chain._Checked.path = path_of(mac_ratchet.FILE)  # noqa: SLF001 - a node would wait for the other chain's key


def _show_pages() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    _start_own_chain()
    sizes = ((SMALL, SMALL), (CHOSEN.size, CHOSEN.events or CHOSEN.size))
    names = [database_of(keys, events) for keys, events in sizes]
    small, large = (Browser(connect(name)) for name in names)
    all_cases = itertools.chain(
        cases.inventory(),
        cases.needs(),
        cases.search(),
        cases.together(),
        cases.other_pages(),
        cases.rotations(),
        cases.admin(),
    )
    chosen = [case for case in all_cases if CHOSEN.only in {"", "pages", case.group}]
    if CHOSEN.plans:
        plans.show(chosen, large)
        return
    if CHOSEN.only in {"", "writes"}:
        writes.show(small, large)
    gc.collect()
    gc.freeze()
    _head(CHOSEN.size)
    results = []
    for case in chosen:
        results.append(measure(case, small, large, CHOSEN.rounds))
        print(_line(results[-1]), flush=True)
    _verdict(results)


# Memory is measured first, while this process is still small.
_PARTS = {
    "evidence": _show_evidence,
    "pages": _show_pages,
    "sync": sync.show,
    "sealing": sealing.show,
    "silence": silence.show,
    "sign-in": sign_in.show,
}


def _machine() -> str:
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"Django {django.__version__}, {kept.version}"
    )


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _head(size: int) -> None:
    columns = [
        "case",
        "rows",
        f"{SMALL:,} keys, ms",
        "p95",
        f"{size:,} keys, ms",
        "p95",
        "ratio",
        "empty pages",
    ]
    print("| " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * (len(columns) - 1))


def _line(result: Result) -> str:
    small, large = result.small, result.large
    rows = f"{small.rows}" if small.rows == large.rows else f"{small.rows} / {large.rows}"
    cells = [
        f"{result.case.group}: {result.case.name}", rows, f"{small.median:.2f}", f"{small.p95:.2f}",
        f"{large.median:.2f}", f"{large.p95:.2f}", f"{result.growth:.2f}", f"{result.times_empty:.1f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _verdict(results: list[Result]) -> None:
    promised = [result for result in results if result.case.promised]
    grown = [result for result in promised if result.growth > FLAT]
    print(f"\nOf {len(promised)} promised to be flat, {len(promised) - len(grown)} are within 10 %.")
    for result in grown:
        print(f"  {result.growth:.2f} {result.case.group}: {result.case.name}")
    dear = [result for result in promised if result.times_empty > TIMES_EMPTY]
    print(f"{len(promised) - len(dear)} take at most {TIMES_EMPTY:.0f} times the empty page.")
    for result in dear:
        print(f"  {result.times_empty:.1f} {result.case.group}: {result.case.name}")
