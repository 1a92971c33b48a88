"""Charts: coordinates are within the chart and in proportion, and no count above 0 is invisible."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.selectors.dashboard.svg import LEVELS, Cell, calendar, cliffs, columns, compact, level, share
from tests.support.cases import in_one_test

WEDNESDAY = date(2026, 11, 4)
DAYS = 91


def across(x: str, width: str) -> tuple[float, float]:
    """Return the left and right edges in per cent."""
    left = float(x.removesuffix("%"))
    return left, left + float(width.removesuffix("%"))


def a_day(number: int) -> date:
    return WEDNESDAY + timedelta(days=number)


@given(st.integers(min_value=0, max_value=6))
def test_each_day_has_its_own_cell_in_the_column_of_its_week(weekday):
    first = a_day(weekday)
    drawn = calendar({}, first, DAYS)
    days = [first + timedelta(days=number) for number in range(DAYS)]
    assert len({(cell["x"], cell["y"]) for cell in drawn.cells}) == len(drawn.cells) == DAYS
    for cell in drawn.cells:
        left, right = across(cell["x"], cell["width"])
        assert 0 <= left < right <= 100
        assert 0 <= int(cell["y"]) < int(cell["y"]) + int(cell["height"]) <= int(drawn.height)
    mondays = [cell for day, cell in zip(days, drawn.cells, strict=True) if day.weekday() == 0]
    assert len({cell["y"] for cell in mondays}) == 1
    assert len({cell["x"] for cell in mondays}) == len(mondays)


def cells_by_day(counts: dict[date, int]) -> dict[date, Cell]:
    return {a_day(number): cell for number, cell in enumerate(calendar(counts, WEDNESDAY, DAYS).cells)}


def test_a_month_is_named_above_the_week_with_its_first_day():
    drawn, cells = calendar({}, WEDNESDAY, DAYS), cells_by_day({})
    assert [(month.words, month.x) for month in drawn.months] == [
        ("Dec", cells[date(2026, 12, 1)]["x"]),
        ("Jan", cells[date(2027, 1, 1)]["x"]),
        ("Feb", cells[date(2027, 2, 1)]["x"]),
    ]
    assert [day.words for day in drawn.weekdays] == ["Mon", "Wed", "Fri"]


def test_shades_are_in_proportion_to_the_largest_count_that_is_no_cliff():
    cells = cells_by_day({a_day(0): 1, a_day(1): 2, a_day(2): 4, a_day(3): 4000})
    shades = [cells[a_day(number)]["shade"] for number in range(5)]
    assert shades == ["level-1", "level-2", "level-4", "cliff", "level-0"]
    texts = [(cells[a_day(number)]["words"], cells[a_day(number)]["number"]) for number in (2, 3, 4)]
    assert texts == [("Fri 6 Nov: 4", "4"), ("Sat 7 Nov: 4,000", "4k"), ("", "")]


@in_one_test(
    "counts, steep",
    [
        ({}, []),
        ({0: 4}, []),
        ({0: 5}, [0]),
        ({9: 5, 0: 6, 5: 1}, [0, 9]),
        (dict.fromkeys(range(90), 100), []),
        (dict.fromkeys(range(90), 100) | {40: 290}, []),
        (dict.fromkeys(range(90), 100) | {40: 320}, [40]),
    ],
)
def test_a_cliff_has_at_least_five_and_three_times_the_average(counts, steep):
    assert cliffs({a_day(day): count for day, count in counts.items()}, 90) == [a_day(day) for day in steep]


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=30))
def test_columns_are_within_the_chart_and_in_proportion_to_their_numbers(pairs):
    above, below = [up for up, _ in pairs], [down for _, down in pairs]
    drawn = columns([str(number) for number in range(len(pairs))], above, below)
    line, most = int(drawn.line), max([*above, *below, 1])
    before = 0.0
    for column, (up, down) in zip(drawn.columns, pairs, strict=True):
        left, right = across(column["x"], column["width"])
        assert before <= left < right <= 100
        before = right
        assert int(column["above_y"]) + int(column["above_height"]) == line
        assert int(column["below_y"]) == line + 1
        for length, count in ((column["above_height"], up), (column["below_height"], down)):
            assert int(length) == pytest.approx(72 * count / most, abs=2)
            assert (int(length) > 0) == (count > 0)
        assert 0 < int(column["above_number_y"]) <= line < int(column["below_number_y"]) <= int(drawn.height)
        assert column["above"] == (compact(up) if up else "")
        assert column["below"] == (compact(down) if down else "")


def test_every_third_column_has_a_label_including_the_last():
    drawn = columns([f"week {number}" for number in range(12)], [1] * 12)
    assert [label.words for label in drawn.labels] == ["week 2", "week 5", "week 8", "week 11"]
    assert int(drawn.height) < int(columns(["a"], [1], [1]).height)


@in_one_test(
    "count, words",
    [
        (0, "0"), (999, "999"), (1000, "1k"), (1234, "1.2k"), (9949, "9.9k"), (9950, "10k"), (45_600, "46k"),
        (999_499, "999k"), (999_500, "1M"), (1_250_000, "1.2M"), (12_000_000, "12M"),
    ],
)  # fmt: skip
def test_numbers_on_a_chart_are_short(count, words):
    assert compact(count) == words
    assert len(words) <= 4


@given(st.integers(1, 10**7), st.data())
def test_a_count_of_0_has_no_shade_and_the_largest_has_the_darkest(most, data):
    count = data.draw(st.integers(1, most))
    assert level(0, most) == 0
    assert 1 <= level(count, most) <= level(most, most) == LEVELS


def test_a_bar_has_its_share_of_the_longest():
    assert [share(count, 8) for count in (8, 4, 0)] == ["100.00%", "50.00%", "0.00%"]
    assert share(0, 0) == "0%"
