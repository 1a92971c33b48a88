"""Carry out many items in short transactions, with pauses in which others can write."""

from __future__ import annotations

import pytest

from keys.rules.batches import FEWEST, LONGEST_PAUSE, PAUSE, SHORT, each_alone, in_turns


class Machine:
    """A clock on which each item takes ``seconds``, and whose time passes during pauses too."""

    def __init__(self, monkeypatch, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds
        self.pauses: list[float] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.pause)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def sizes(self, groups, most: int) -> list[int]:
        found = []
        for some in in_turns(groups, most):
            found.append(len(some))
            self.now += len(some) * self.seconds
        return found


def test_a_quick_machine_does_many_items_at_once_and_pauses_in_between(monkeypatch):
    machine = Machine(monkeypatch, SHORT / 1000)
    assert machine.sizes(each_alone(range(250)), 100) == [FEWEST, 20, 40, 80, 100]
    assert machine.pauses == [PAUSE] * 4


def test_a_busy_machine_does_few_at_once_and_pauses_as_long(monkeypatch):
    machine = Machine(monkeypatch, SHORT / 25.5)
    assert machine.sizes(each_alone(range(80)), 100) == [FEWEST, 20, 25, 25]
    machine.seconds, machine.pauses = SHORT / 5, []
    assert machine.sizes(each_alone(range(40)), 100) == [FEWEST] * 4
    assert machine.pauses == pytest.approx([FEWEST * SHORT / 5] * 3)
    machine.seconds, machine.pauses = 10.0, []
    assert machine.sizes(each_alone(range(20)), 100) == [FEWEST] * 2
    assert machine.pauses == [LONGEST_PAUSE]


def test_what_belongs_together_stays_together(monkeypatch):
    machine = Machine(monkeypatch, SHORT / 1000)
    assert machine.sizes(iter([[1] * 7, [2] * 7, [3] * 30, [4]]), 10) == [14, 30, 1]
    assert machine.sizes(iter([]), 10) == []
