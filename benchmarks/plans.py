"""Print the database's query plans for each case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.databases import using

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.cases import Case
    from benchmarks.requests import Browser

_TABLES = ("keys_apikey", "keys_auditevent", "keys_search")
_EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (ANALYZE, BUFFERS)"}


def show(cases: Iterable[Case], browser: Browser) -> None:
    for case in cases:
        print(f"\n{case.group}: {case.name}")
        with using(browser.database):
            address = case.address()
            with CaptureQueriesContext(connection) as asked:
                browser.get(address)
            for query in asked:
                if query["sql"].startswith("SELECT") and any(table in query["sql"] for table in _TABLES):
                    _show_one(query["sql"], query["time"])


def _show_one(sql: str, seconds: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"{_EXPLAIN[connection.vendor]} {sql}")
        steps = [row[-1] for row in cursor.fetchall()]
    print(f"  {float(seconds) * 1000:8.1f} ms  " + "\n               ".join(steps))
