"""Sealing under load by several sequencers: no event skipped or sealed twice, and no fork."""

from __future__ import annotations

import random
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from keys.audit import log
from keys.audit.sequencer import seal
from keys.audit.tree_store import head
from keys.models import AuditEvent, Sealed, TreeHead, Unsealed
from keys.rules.events import Event
from keys.tlog import merkle
from tests.support.own_database import Address
from tests.support.racing import meet, race
from tests.support.sealed_log import add_events, is_whole, let_the_lease_end

WRITERS, SEQUENCERS, TRANSACTIONS = 16, 3, 8
PATIENCE = 60  # seconds

pytestmark = pytest.mark.long


class GivenUp(Exception):
    """Roll back the transaction."""


def write_or_seal(number: int, seed: int) -> Any:
    return storm(number, seed) if number < WRITERS else seal_until_all_is_in(number)


def storm(number: int, seed: int) -> list[str]:
    """Run transactions and roll a third back, in whole or in part. Return the reasons of committed events."""
    luck = random.Random(seed * 1_000 + number)
    kept: list[str] = []
    for turn in range(TRANSACTIONS):
        mine = [f"{number}.{turn}.{part}" for part in range(luck.randint(1, 3))]
        fate = luck.choice(["commit", "commit", "roll back", "roll back in part"])
        with suppress(GivenUp), transaction.atomic():
            write(mine)
            if fate == "roll back in part":
                write_in_vain()
            if fate == "roll back":
                give_up()
        if fate != "roll back":
            kept += mine
        time.sleep(luck.random() / 500)
    log.append(Event.SIGNED_OUT, actor=None, reason="done")
    return kept


def write(reasons: list[str]) -> None:
    for reason in reasons:
        log.append(Event.SIGNED_IN, actor=None, reason=reason)


def write_in_vain() -> None:
    with suppress(GivenUp), transaction.atomic():
        write(["never"])
        give_up()


def give_up() -> None:
    raise GivenUp


def all_is_written() -> bool:
    return AuditEvent.objects.filter(reason="done").count() == WRITERS


def seal_until_all_is_in(number: int) -> int:
    """Let every sequencer act as leader, as if leases had always expired."""
    count, deadline = 0, time.monotonic() + PATIENCE
    while not all_is_written() or Unsealed.objects.exists():
        assert time.monotonic() < deadline
        let_the_lease_end()
        count += seal(uuid.UUID(int=number)).count
    return count


def seal_naively(_number: int, _subject: Any) -> str:
    """Read the size, then append waiting events: sealing without a transaction."""
    size = head().size
    waiting = list(Unsealed.objects.order_by("event_id"))
    meet()
    try:
        for place, event in enumerate(waiting, size):
            digest = merkle.leaf_hash(bytes(event.event.leaf))
            Sealed.objects.create(index=place, event_id=event.event_id, leaf_hash=digest)
            event.delete()
            TreeHead.objects.update_or_create(pk=1, defaults={"size": place + 1, "root": digest})
    except IntegrityError:
        return "same place"
    return "unharmed"


def test_sixteen_writers_and_three_sequencers_make_one_tree(database: Address, audit_files: Path) -> None:
    (answers,) = race(database, f"{__name__}:write_or_seal", [1], processes=WRITERS + SEQUENCERS)

    kept = sorted(reason for answer in answers if isinstance(answer, list) for reason in answer)
    written = AuditEvent.objects.filter(type="session:start").values_list("reason", flat=True)
    assert sorted(written) == kept
    is_whole()
    assert TreeHead.objects.get().forged is None
    assert sum(answer for answer in answers if isinstance(answer, int)) == len(kept) + WRITERS


def test_naive_sequencers_give_two_events_the_same_place(database: Address, audit_files: Path) -> None:
    add_events(TRANSACTIONS)
    (answers,) = race(database, f"{__name__}:seal_naively", [0], processes=SEQUENCERS)
    assert sorted(answers) == ["same place"] * (SEQUENCERS - 1) + ["unharmed"]
