"""Runs in which nothing is wrong: many write and roll back, one is erased, one seals and signs, one verifies.

``python -m tests.domain.clean_runs 1000`` makes so many of them, on fresh databases, and says how often the
verification raised an alarm. The tests make a few.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

RUNNER = f"{__name__}:take_part" if __name__ != "__main__" else "tests.domain.clean_runs:take_part"
WRITERS, SEALER, VERIFIER, PROCESSES = 4, 4, 5, 6
LEAVING = 0
"""Which of the writers is erased after their last act, while the others write on."""
KEYS = 4
PATIENCE = 60  # seconds
ON_ONE_DATABASE = 20
LIFE = (
    "KEY_REQUESTED",
    "KEY_CALLED",
    "KEY_ISSUED",
    "KEY_REVEALED",
    "KEY_STORED",
    "KEY_DELETION_STARTED",
    "KEY_DELETED",
)


class GivenUp(Exception):
    """A transaction that is rolled back."""


def take_part(number: int, run: int) -> Any:
    """What one process does in a run. The verifier returns the alarms that it raised, as words."""
    if number < WRITERS:
        return write(number, run)
    return seal_all_of(run) if number == SEALER else verify_all_of(run)


def write(number: int, run: int) -> int:
    """Several keys' lives, side by side, among transactions that come to nothing. Returns how often."""
    from django.db import transaction

    from keys.actions.erase_person import erase_person
    from keys.audit import log
    from keys.audit.events import Event
    from keys.models import ApiKey

    luck = random.Random(run * 100 + number)
    person = somebody()
    lives = {ApiKey(id=uuid.uuid4(), name=f"{number}"): list(LIFE) for _ in range(KEYS)}
    given_up = 0
    while lives:
        key, ahead = luck.choice(list(lives.items()))
        with suppress(GivenUp), transaction.atomic():
            log.append(Event[ahead[0]], actor=luck.choice([person, None]), key=key)
            time.sleep(luck.random() / 500)
            if luck.random() < 0.3:
                given_up += 1
                raise GivenUp
            ahead.pop(0)
        if not ahead:
            del lives[key]
    if number == LEAVING:
        erase_person(None, person.email)
    log.append(Event.SIGNED_OUT, actor=None, reason=f"run {run}")
    return given_up


def somebody() -> Any:
    """A person who may not sign in, and can therefore be erased."""
    from keys.models import User
    from tests.cast import actor

    name = uuid.uuid4().hex
    person = User(email=f"{name}@contenzilla.example", name=name, cerby_id=uuid.uuid4(), role=40)
    person.save()
    return actor(person)


def is_over(run: int) -> bool:
    from keys.models import AuditEvent, Unsealed

    written = AuditEvent.objects.filter(type="session:end", reason=f"run {run}").count() == WRITERS
    return written and not Unsealed.objects.exists()


def seal_all_of(run: int) -> int:
    """Returns how often something was sealed and signed."""
    from keys.audit.sequence import seal
    from keys.audit.signing import sign

    count, deadline = 0, time.monotonic() + PATIENCE
    while not is_over(run):
        assert time.monotonic() < deadline
        if seal(uuid.UUID(int=1)).count and sign():
            count += 1
    return count


def verify_all_of(run: int) -> dict[str, Any]:
    """With the first key of the MACs, from before the run until after it."""
    from keys.audit import ratchet
    from keys.audit.check import check
    from keys.audit.files import path_of

    ratchet.mac(b"")  # begins the chain, where there is none
    escrow = json.loads(path_of(ratchet.FILE).read_text())
    alarms, verified, over = [], 0, False
    while not over:
        over = is_over(run)
        alarms += [str(damage) for damage in check(escrows=[escrow]).damage]
        verified += 1
    return {"alarms": alarms, "verified": verified}


def main(runs: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.domain import own_database
    from tests.domain.racing import race

    alarms: list[str] = []
    verified = 0
    for start in range(0, runs, ON_ONE_DATABASE):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "portal.sqlite3"
            own_database.create(path)
            subjects = list(range(start, min(start + ON_ONE_DATABASE, runs)))
            for answers in race(path, RUNNER, subjects, processes=PROCESSES):
                alarms += answers[VERIFIER]["alarms"]
                verified += answers[VERIFIER]["verified"]
        sys.stdout.write(
            f"{subjects[-1] + 1} runs, {verified} verifications, {len(alarms)} alarms {alarms[:1]}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
