"""Test what is read from a table that was copied by a browser."""

from __future__ import annotations

import time
from datetime import date

import pytest

from keys.rules.errors import Invalid
from keys.rules.pasted_dates import Day, DayOrder, EitherDay, read_date
from keys.rules.pasted_table import MOST_LINES, read_table
from tests.support.cases import in_one_test

TODAY = date(2026, 11, 30)
CHROMIUM = (  # copied by Chromium from a table with avatars, check boxes and menus
    "API keys\n\tName\tCreated on\tBy\tStatus\t\n"
    "\tConsultant access\tSep 16, 2026\t\nSO\nSamuel Okafor\nsuper-admin@contenzilla.example\nActive\t⋮\n"
    "\tMigration\n dry run\tNov 28, 2026\t\nJW\nJonas Weiss\njonas@contenzilla.example\nRevoked\t⋮\n"
    "\tRows per page: 25\n1\N{EN DASH}2 of 64\n12Next\n"
)
LINES = (  # copied by Chromium from a grid of blocks
    "Name\nCreated on\nBy\nStatus\nKey portal\nNov 30, 2026\nOM\nOlivia Marchetti\nowner@contenzilla.example\n"
    "Active\n⋮\nOn-call bot\n2026-11-02 12:03\nOlivia Marchetti\nEXPIRED\n…\n1\N{EN DASH}2 of 2\n"
)


def read(text, order=None):
    table = read_table(text, TODAY, order)
    return [
        (row.name, row.created.day.isoformat(), row.email or row.by[-1], row.status.value)
        for row in table.rows
    ]


def test_a_table_copied_by_chromium():
    table = read_table(CHROMIUM, TODAY)
    assert read(CHROMIUM) == [
        ("Consultant access", "2026-09-16", "super-admin@contenzilla.example", "active"),
        ("Migration dry run", "2026-11-28", "jonas@contenzilla.example", "removed"),
    ]
    assert (table.unreadable, table.total, table.is_incomplete) == ([], 64, True)


def test_each_cell_on_its_own_line():
    assert read(LINES) == [
        ("Key portal", "2026-11-30", "owner@contenzilla.example", "active"),
        ("On-call bot", "2026-11-02", "Olivia Marchetti", "expired"),
    ]
    assert read_table(LINES, TODAY).unreadable == []
    assert len(read(LINES + LINES.replace("Key portal", "Other"))) == 3  # the same row twice counts once


@in_one_test(
    "text",
    [
        "Bot\t3 Nov 2026\tAda\tActive\n",
        "Bot\t3 Nov 2026\tAda\tActive\r\n",
        "\ufeffBot\t3\xa0Nov\xa02026\tA\u200bda\tactive\t…",
        "\tBot\t3 Nov 2026\tAda\tACTIVE\tNov 3, 2027\tNever\t⋮\n",
        "Status\tName\tScopes\tBy\tCreated on\nActive\tBot\tRead users\tAda\t3 Nov 2026",
        "Name\tBy\tCreated on\tStatus\nBot\tAda\t3 Nov 2026\tActive\nRows per page: 25\nNext",
        "Bot\n3 Nov 2026\nAda\nActive\n3 Nov 2027\nNever\nMore options\n",
        "Dashboard\nSettings\nName\nCreated on\nBy\nStatus\nBot\n3 Nov 2026\nAda\n• Active",
    ],
)
def test_forms_of_one_row(text):
    assert read(text) == [("Bot", "2026-11-03", "Ada", "active")]


@in_one_test(
    "text, day",
    [
        ("Nov 30, 2026", date(2026, 11, 30)),
        ("Mon, Nov. 30th, 2026 at 12:03 PM UTC", date(2026, 11, 30)),
        ("30 November 2026, 12:03", date(2026, 11, 30)),
        ("2026-11-30", date(2026, 11, 30)),
        ("2026-11-30T12:03:04.5+01:00", date(2026, 11, 30)),
        ("30.11.2026", date(2026, 11, 30)),
        ("Nov 3", date(2026, 11, 3)),
        ("Dec 24", date(2025, 12, 24)),
        ("Yesterday", date(2026, 11, 29)),
        ("Today at 10:15", date(2026, 11, 30)),
        ("2 days ago", date(2026, 11, 28)),
        ("a week ago", date(2026, 11, 23)),
    ],
)
def test_dates(text, day):
    found = read_date(text, TODAY)
    assert isinstance(found, Day)
    assert found.day == day


@in_one_test("text", ["", "Never", "30 Foo 2026", "2026-13-01", "last one", "1.2.3.4", "v2026-11-30"])
def test_what_is_no_date(text):
    assert read_date(text, TODAY) is None


def test_the_order_is_decided_by_the_whole_paste():
    rows = "a\t03/11/2026\tAda\tActive\nb\t{}\tAda\tActive\n"
    assert read(rows.format("13/11/2026"))[0][1] == "2026-11-03"
    assert read(rows.format("11/13/2026"))[0][1] == "2026-03-11"
    assert read(rows.format("05/12/2026"))[0][1] == "2026-03-11"  # 5 December is in the future
    assert read_table(rows.format("04/11/2026"), TODAY).asks_order
    assert read_table(rows.format("13/11/2026") + rows.format("11/13/2026"), TODAY).contradictory
    assert read(rows.format("04/11/2026"), DayOrder.DAY_FIRST)[1][1] == "2026-11-04"
    assert isinstance(read_date("3/4/26", TODAY), EitherDay)


@in_one_test(
    "text",
    ["x" * 300_000, "1 " * 150_000, "a\t" * 150_000, "1-1" * 100_000, "a\tb\n" * 10_000, "a\n" * 20_000],
)
def test_other_texts_are_read_in_bounded_time(text):
    started = time.process_time()
    assert read_table(text, TODAY).rows == []
    assert time.process_time() - started < 10


def test_too_many_lines_are_refused():
    with pytest.raises(Invalid):
        read_table("a\r" * (MOST_LINES + 1), TODAY)
