"""No false alarm: while many write, roll back and seal, whoever verifies finds nothing wrong."""

from __future__ import annotations

from tests.domain.clean_runs import PROCESSES, RUNNER, SEALER, VERIFIER
from tests.domain.racing import race


def test_verifying_while_others_write_and_seal_raises_no_alarm(database, audit_files):
    for answers in race(database, RUNNER, [1, 2], processes=PROCESSES):
        assert answers[VERIFIER]["alarms"] == []
        assert answers[VERIFIER]["verified"] > 1
        assert answers[SEALER] > 0
        assert all(given_up > 0 for given_up in answers[:SEALER])
