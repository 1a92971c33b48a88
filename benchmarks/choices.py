"""Parse the options of `make bench` before Django's set-up, because the settings depend on them."""

from __future__ import annotations

import argparse

SMALL, LARGE = 1_000, 1_000_000
SQLITE_ONLY = {"sync", "sealing", "silence", "sign-in"}


def _read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="What a page costs with 1,000 keys and with 1,000,000, beside an empty page.",
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    only = "one of evidence, pages, writes, sync, sealing, silence, sign-in, or a group of pages such as sort"
    parser.add_argument("--only", default="", help=only)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--size", type=int, default=LARGE, help="keys in the large database")
    parser.add_argument("--events", type=int, default=0, help="events in it; by default as many as keys")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="measure processor time, if the machine does other work as well",
    )
    parser.add_argument("--plans", action="store_true", help="show how the database answers; measure nothing")
    chosen = parser.parse_args()
    if chosen.database != "sqlite" and chosen.only in SQLITE_ONLY:
        parser.error(f"{chosen.only} is measured on SQLite only.")
    return chosen


CHOSEN = _read()
