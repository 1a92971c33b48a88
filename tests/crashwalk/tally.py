"""Count the cases of a walk by job, crash and fault."""

from __future__ import annotations

from collections import Counter

from tests.crashwalk.walk import Outcome


class Tally:
    def __init__(self) -> None:
        self.cases = 0
        self.wrong = 0
        self._operations: dict[str, int] = {}
        self._crashes: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        self._happened: Counter[str] = Counter()
        self._faults: set[str] = set()

    def add(self, outcome: Outcome) -> None:
        case = outcome.case
        self.cases += 1
        self.wrong += bool(outcome.wrong)
        if case == type(case)(case.job):
            self._operations[case.job] = len(outcome.life.operations)
        if case.fault:
            self._pairs[case.job] += 1
            self._happened[case.job] += outcome.fired
            self._faults.add(case.fault)
        else:
            self._crashes[case.job] += 1

    def __str__(self) -> str:
        lines = [f"{'job':20} {'operations':>10} {'crashes':>8} {'with faults':>12} {'fault met':>10}"]
        lines += [
            f"{job:20} {self._operations.get(job, 0):10} {self._crashes[job]:8} {self._pairs[job]:12} "
            f"{self._happened[job]:10}"
            for job in sorted(self._crashes | self._pairs)
        ]
        lines.append(
            f"{self.cases} cases: {self._crashes.total()} with no fault, {self._pairs.total()} under"
            f" {len(self._faults)} kinds of fault, which happened in {self._happened.total()}; {self.wrong} wrong"
        )
        return "\n".join(lines)
