"""`make bench`: what a page costs with 1,000 keys and with 1,000,000, beside an empty page.

ARGS="--only search" measures one group; ARGS=--plans shows how SQLite answers each case instead.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import platform
import sqlite3
from pathlib import Path

import django
from django.core.management import call_command

from benchmarks import cases, plans, sealing, sync, writes
from benchmarks.databases import connect
from benchmarks.dataset import database_of
from benchmarks.requests import Browser
from benchmarks.timing import Result, measure

SMALL, LARGE = 1_000, 1_000_000
FLAT = 1.10
TIMES_EMPTY = 5.0


def main() -> None:
    choices = _choices()
    if choices.only == "sync":
        print(f"\n{_machine()}.\n")
        sync.show()
        return
    if choices.only == "sealing":
        print(f"\n{_machine()}.\n")
        sealing.show()
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    sizes = ((SMALL, SMALL), (choices.size, choices.events or choices.size))
    databases = [connect(database_of(keys, events)) for keys, events in sizes]
    small, large = (Browser(database) for database in databases)
    all_cases = itertools.chain(
        cases.inventory(), cases.needs(), cases.search(), cases.together(), cases.other_pages(), cases.admin()
    )
    chosen = [case for case in all_cases if choices.only in {"", case.group}]
    if choices.plans:
        plans.show(chosen, large)
        return
    print(f"\n{_machine()}; {choices.rounds} rounds.\n")
    if choices.only in {"", "writes"}:  # first, while this process is still small
        writes.show(small, large)
    gc.collect()
    gc.freeze()
    _head(choices.size)
    results = []
    for case in chosen:
        results.append(measure(case, small, large, choices.rounds))
        print(_line(results[-1]), flush=True)
    _verdict(results)
    if not choices.only:
        sync.show()
        sealing.show()


def _choices() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", help="one group of cases, such as sort")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--size", type=int, default=LARGE, help="keys in the large database")
    parser.add_argument("--events", type=int, default=0, help="events in it; by default as many as keys")
    parser.add_argument("--plans", action="store_true", help="show SQLite's query plans; measure nothing")
    return parser.parse_args()


def _machine() -> str:
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"Django {django.__version__}, SQLite {sqlite3.sqlite_version}"
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
