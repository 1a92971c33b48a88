"""No false alarm: verification finds no damage while others write, roll back and seal."""

from __future__ import annotations

from tests.support.clean_runs import FORGED, PROCESSES, RUNNER, SEALER, VERIFIER
from tests.support.racing import race


def test_verification_during_writes_raises_no_alarm_until_an_event_is_forged(database):
    runs = [1, 2, FORGED]
    for run, answers in zip(runs, race(database, RUNNER, runs, processes=PROCESSES), strict=True):
        assert set(answers[VERIFIER]["alarms"]) == ({"FORGED", "MAC"} if run == FORGED else set())
        assert answers[VERIFIER]["verified"] > 1
        assert answers[SEALER] > 0 or run == FORGED
        assert all(given_up > 0 for given_up in answers[:SEALER])
