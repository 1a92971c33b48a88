"""docs/security.md has each requirement of OWASP ASVS 5.0.0 at levels 1 and 2 once, and says how it is met."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.house.project import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE)

LEVEL_1 = """
1.2.1-5 1.3.1-2 1.5.1 2.1.1 2.2.1-2 2.3.1 3.2.1-2 3.3.1 3.4.1-2 3.5.1-3 4.1.1 4.4.1 5.2.1-2 5.3.1-2 6.1.1 6.2.1-8
6.3.1-2 6.4.1-2 7.2.1-4 7.4.1-2 8.1.1 8.2.1-2 8.3.1 9.1.1-3 9.2.1 10.4.1-5 11.3.1-2 11.4.1 12.1.1 12.2.1-2 13.4.1
14.2.1 14.3.1 15.1.1 15.2.1 15.3.1
"""
LEVEL_2 = """
1.1.1-2 1.2.6-9 1.3.3-11 1.4.1-3 1.5.2 2.1.2-3 2.2.3 2.3.2-4 2.4.1 3.3.2-4 3.4.3-6 3.5.4-5 3.7.1-2 4.1.2-3 4.2.1
4.3.1-2 4.4.2-4 5.1.1 5.2.3 5.4.1-3 6.1.2-3 6.2.9-12 6.3.3-4 6.4.3-4 6.5.1-5 6.6.1-3 6.8.1-4 7.1.1-3 7.3.1-2 7.4.3-5
7.5.1-2 7.6.1-2 8.1.2 8.2.3 8.4.1 9.2.2-4 10.1.1-2 10.2.1-2 10.3.1-4 10.4.6-11 10.5.1-5 10.6.1-2 10.7.1-3 11.1.1-2
11.2.1-3 11.3.3 11.4.2-4 11.5.1 11.6.1 12.1.2-3 12.3.1-4 13.1.1 13.2.1-5 13.3.1-2 13.4.2-5 14.1.1-2 14.2.2-4 14.3.2-3
15.1.2-3 15.2.2-3 15.3.2-7 16.1.1 16.2.1-5 16.3.1-4 16.4.1-3 16.5.1-3 17.1.1 17.2.1-4 17.3.1-2
"""


def numbers(ranges: str) -> list[str]:
    found = []
    for each in ranges.split():
        section, _, span = each.rpartition(".")
        first, _, last = span.partition("-")
        found += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    return found


def test_the_standard_has_as_many_requirements_as_it_says():
    assert (len(numbers(LEVEL_1)), len(numbers(LEVEL_2))) == (70, 183)


@pytest.mark.parametrize(("level", "ranges"), [("1", LEVEL_1), ("2", LEVEL_2)])
def test_each_requirement_has_one_row(level, ranges):
    assert Counter(number for number, at, *_ in ROWS if at == level) == Counter(numbers(ranges))


def test_each_row_has_a_status_and_the_text_counts_them():
    counts = Counter(status for _, _, _, status, _ in ROWS)
    assert counts.keys() == {"Met", "Not met", "Does not apply"}
    stated = re.search(
        r"Of (\d+) requirements, (\d+) are met, (\d+) do not\s+apply and (\d+) are not\s+met", PAGE
    )
    assert stated is not None
    expected = len(ROWS), counts["Met"], counts["Does not apply"], counts["Not met"]
    assert tuple(map(int, stated.groups())) == expected


@pytest.mark.parametrize("page", ["docs/security.md", "SECURITY.md"])
def test_each_named_file_exists(page):
    named = re.findall(
        r"(?<![\w/])((?:tests|keys|portal|static)/[\w/.-]+\.(?:py|js))\b", (ROOT / page).read_text()
    )
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_security_md_promises_only_tested_behaviour():
    table = (ROOT / "SECURITY.md").read_text().partition("## Threats and defences")[2].partition("\n## ")[0]
    rows = [
        row
        for row in re.findall(r"^\| (.+) \|$", table, re.MULTILINE)
        if not row.startswith(("threat", "---"))
    ]
    assert len(rows) > 25
    assert [row.split(" | ")[0] for row in rows if "](tests/" not in row] == []
