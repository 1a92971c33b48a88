"""Runs in which nothing is wrong: many write and roll back, one is erased, one seals, signs and anchors, one verifies.

The tests make a few, `make cleanruns` a thousand on each kind of database (many_clean_runs.py).
"""

from __future__ import annotations

import json
import random
import time
import uuid
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys.actions.people.erase import erase_person
from keys.audit import anchors, log
from keys.audit.self_check import check
from keys.audit.sequencer import seal
from keys.audit.signer import sign
from keys.models import ApiKey, AuditEvent, Unsealed, User
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.permissions import Actor
from keys.tlog import mac_ratchet
from keys.tlog.state_files import path_of
from tests.cast import actor
from tests.support.racing import meet

Run = int | str

RUNNER = f"{__name__}:take_part"
WRITERS, SEALER, VERIFIER, PROCESSES = 4, 4, 5, 6
LEAVING = 0
"""The writer who is erased after their last action, while the others go on."""
KEYS = 4
PATIENCE = 60  # seconds
FORGED = "forged"
"""The control: in this run an event is inserted directly into the database."""

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
    """Roll back the transaction."""


def take_part(number: int, run: Run) -> Any:
    """The role of one process in a run."""
    settings.PORTAL_AUDIT_ANCHOR_FILE = path_of("anchors.jsonl")
    if number == VERIFIER:
        return verify_all_of(run)
    meet()
    if number < WRITERS:
        if run == FORGED and number == LEAVING:
            forge()
        return write(number, run)
    return seal_all_of(run)


def forge() -> None:
    """Insert an event like the portal's, but without the MAC key, which only the portal has."""
    said = {"id": str(uuid.uuid4()), "at": utc_microseconds(timezone.now()), "type": "session:end:done"}
    event = log.row(said | {"actor": None, "key": None, "reason": "", "details": {}})
    event.mac = bytes(32)
    event.save(force_insert=True)


def write(number: int, run: Run) -> int:
    """Run several keys' lives in parallel, with some rolled-back transactions. Return their number."""
    luck = random.Random(f"{run} {number}")
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


def somebody() -> Actor:
    """Create a person who may not sign in and can therefore be erased."""
    name = uuid.uuid4().hex
    person = User(email=f"{name}@contenzilla.example", name=name, cerby_id=uuid.uuid4(), role=40)
    person.save()
    return actor(person)


def is_over(run: Run) -> bool:
    written = AuditEvent.objects.filter(type="session:end", reason=f"run {run}").count() == WRITERS
    return written and not Unsealed.objects.exists()


def seal_all_of(run: Run) -> int:
    """Return how often events were sealed and signed."""
    count, deadline = 0, time.monotonic() + PATIENCE
    while not is_over(run):
        assert time.monotonic() < deadline
        if seal(uuid.UUID(int=1)).count and sign():
            anchors.deliver(timezone.now())
            count += 1
    return count


def verify_all_of(run: Run) -> dict[str, Any]:
    """Verify repeatedly from before the run until after it. "alarms" has the messages by kind."""
    mac_ratchet.mac(b"")  # starts the chain if there is none
    escrow = json.loads(path_of(mac_ratchet.FILE).read_text())
    alarms: dict[str, str] = {}
    verified, over = 0, False
    while not over:
        over = is_over(run)
        alarms |= {damage.kind.name: str(damage) for damage in check(escrows=[escrow]).damage}
        verified += 1
        if verified == 1:
            meet()  # now the others begin
    return {"alarms": alarms, "verified": verified}
