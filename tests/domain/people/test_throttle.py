"""Test that attempts in many processes are counted one by one, and what each budget allows."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import SimpleNamespace

import pytest

from keys.actions.people import throttle
from keys.actions.people.throttle import ACCOUNT_AND_ADDRESS
from keys.models import Throttle
from tests.support.own_database import Address, using
from tests.support.racing import meet, race
from tests.support.workers import PATIENCE

PROCESSES, ROUNDS = 8, 5
EMAIL = "ada@contenzilla.example"


def attempt(_number: int, email: str) -> bool:
    return throttle.admit_sign_in(email, "203.0.113.5", "") is not None


def attempt_naively(_number: int, email: str) -> bool:
    """Read, then write, without a lock."""
    Throttle.objects.bulk_create([Throttle(name=email)], ignore_conflicts=True)
    row = Throttle.objects.get(pk=email)
    now = time.time()
    meet()
    busy_until = max(row.busy_until, now)
    if busy_until - now > (ACCOUNT_AND_ADDRESS.burst - 1) * ACCOUNT_AND_ADDRESS.seconds:
        return False
    row.busy_until = busy_until + ACCOUNT_AND_ADDRESS.seconds
    row.save()
    return True


def admitted(database: Address, runner: str, rounds: int) -> list[int]:
    people = [f"person{number}@contenzilla.example" for number in range(rounds)]
    return [sum(answers) for answers in race(database, f"{__name__}:{runner}", people, processes=PROCESSES)]


def admitted_at_once(database: Address, *, right: bool) -> int:
    """Return how many of 12 attempts were let through. None ends before as many run as may."""
    enough = threading.Barrier(ACCOUNT_AND_ADDRESS.burst + 1)
    first = iter(range(ACCOUNT_AND_ADDRESS.burst))

    def attempt(_: int) -> bool:
        with using(database):
            found = throttle.admit_sign_in(EMAIL, "203.0.113.5", "")
            if found is None:
                return False
            with found:
                if next(first, None) is not None:
                    enough.wait(PATIENCE)
                if right:
                    found.give_back()
            return True

    with ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(attempt, number) for number in range(12)]
        enough.wait(PATIENCE)
        return sum(answer.result() for answer in answers)


@pytest.mark.long
def test_simultaneous_attempts_are_counted_one_by_one(database: Address):
    assert admitted(database, "attempt", ROUNDS) == [ACCOUNT_AND_ADDRESS.burst] * ROUNDS


@pytest.mark.long
def test_without_the_lock_all_would_be_admitted(database: Address):
    assert admitted(database, "attempt_naively", 1) == [PROCESSES]


def fail() -> None:
    found = throttle.admit_sign_in(EMAIL, "203.0.113.5", "")
    assert found is not None
    with found:
        pass  # the password is wrong


def test_an_attempt_that_is_given_back_does_not_count(db):
    for _ in range(20):
        found = throttle.admit_sign_in(EMAIL, "203.0.113.5", "")
        assert found is not None
        with found:
            found.give_back()


def test_a_refused_attempt_uses_up_nothing_else(db):
    for _ in range(5):
        fail()
    rows = dict(Throttle.objects.values_list("name", "busy_until"))
    assert throttle.admit_sign_in(EMAIL, "203.0.113.5", "") is None
    after = dict(Throttle.objects.values_list("name", "busy_until"))
    assert {name: after[name] - rows[name] < 1 for name in rows} == dict.fromkeys(rows, True)


def test_few_attempts_wait_at_a_time_and_the_others_are_refused(monkeypatch):
    enough = threading.Event()
    monkeypatch.setattr(throttle, "time", SimpleNamespace(sleep=enough.wait))
    with ThreadPoolExecutor(8) as threads:
        answers = as_completed([threads.submit(throttle._wait, PATIENCE) for _ in range(8)])
        early = [next(answers).result() for _ in range(8 - throttle.WAITING_AT_ONCE)]
        enough.set()
        late = [answer.result() for answer in answers]
    assert early == [False] * len(early)
    assert late == [True] * throttle.WAITING_AT_ONCE


def test_right_passwords_at_the_same_time_are_all_accepted(database: Address):
    """Each attempt waits for the outcome of those before it, before it is refused."""
    assert admitted_at_once(database, right=True) == 12


def test_wrong_passwords_at_the_same_time_are_refused_beyond_the_limit(database: Address):
    assert admitted_at_once(database, right=False) == ACCOUNT_AND_ADDRESS.burst


def test_rows_that_limit_nothing_are_deleted(db):
    fail()
    assert throttle.forget_old() == 0
    Throttle.objects.update(busy_until=time.time() - 1)
    assert throttle.forget_old() == 3


def test_neither_the_person_nor_the_address_is_stored_readably(db):
    fail()
    names = " ".join(Throttle.objects.values_list("name", flat=True))
    assert "ada" not in names
    assert "203" not in names
