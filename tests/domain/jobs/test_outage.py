"""The worker's loop repeats a step that fails less and less often."""

from __future__ import annotations

import threading

from keys.jobs.outage import LONGEST_PAUSE, OutageLoop


class _Stop(threading.Event):
    """Stop after ``rounds``, without waiting. ``pauses`` has how long the loop would have waited."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds, self.pauses = rounds, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0)
        return len(self.pauses) > self.rounds


def test_errors_in_a_row_double_the_pause_and_a_success_resets_it(db):
    loop = OutageLoop()
    loop.stop = stop = _Stop(rounds=9)
    outcomes = iter([False] * 7 + [True, False])

    def step() -> None:
        if not next(outcomes):
            raise ValueError

    loop.repeat(step, every=0.25, failed="sealing_failed")
    assert stop.pauses == [0.25, 0.5, 1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE, 0.25, 0.5]
