"""A test with many cases runs each of them, undoes what it changed, and names the one that fails. None is skipped."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from keys.models import Alert
from tests.house.project import texts
from tests.support import scheduling
from tests.support.cases import in_one_test


def test_each_case_runs_and_the_first_that_fails_is_named():
    seen = []

    @in_one_test("fruit", ["apple", "pear"])
    @in_one_test("size, weight", [(1, 10), (2, 20), (3, 30)])
    def test(fruit, size, weight):
        seen.append((fruit, size, weight))
        assert (fruit, size) != ("pear", 2)

    with pytest.raises(AssertionError) as caught:
        test()
    assert seen == [("apple", 1, 10), ("apple", 2, 20), ("apple", 3, 30), ("pear", 1, 10), ("pear", 2, 20)]
    assert caught.value.__notes__ == ["The case: size, weight = 2, 20", "The case: fruit = 'pear'"]


def test_no_case_sees_the_rows_of_another(db):
    @in_one_test("subject", ["one", "two"])
    def test(subject):
        assert not Alert.objects.exists()
        Alert.objects.create(kind="test", subject=subject, since=timezone.now())

    test()
    assert not Alert.objects.exists()


def test_a_test_without_cases_fails():
    @in_one_test("case", [])
    def test(case):
        """Never run."""

    with pytest.raises(AssertionError, match="no cases"):
        test()


def test_no_test_is_skipped():
    """Skipped tests go unnoticed. docs/testing.md says how a test is chosen instead."""
    skips = re.compile(r"\b(pytest\.|mark\.)(skip|xfail|importorskip)")
    assert skips.search("    pytest" + ".skip()")
    assert [path for path, text in texts("tests/*.py").items() if skips.search(text)] == []


@in_one_test(
    "given, ordered", [("ooooooLoL", "LoLoooooo"), ("ooo", "ooo"), ("LL", "LL"), ("oL", "Lo"), ("", "")]
)
def test_long_tests_are_spread_over_the_first_half(given, ordered):
    tests: list[Any] = [
        SimpleNamespace(kind=kind, get_closest_marker=lambda _, kind=kind: kind == "L") for kind in given
    ]
    names: list[Any] = scheduling.in_good_time(tests)
    assert "".join(test.kind for test in names) == ordered
