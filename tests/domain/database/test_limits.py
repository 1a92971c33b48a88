"""Test that processes which ask at the same moment get no more together than a limit allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.http import QueryDict

from keys.actions.audit import verify
from keys.actions.audit.export_evidence import Lease
from keys.actions.keys.find_leaked import PER_MINUTE, find_leaked
from keys.actions.saved_views.save_view import save_view
from keys.audit import guard
from keys.models import AuditEvent, RefusalCount, SavedView, Throttle, User
from keys.models.throttle import Budget, throttle_name
from keys.rules.errors import NotAllowed, PortalError
from keys.rules.permissions import Action
from keys.validation.saved_view import MOST_SHARED, MOST_VIEWS
from tests import cast as people
from tests.support.own_database import Address
from tests.support.racing import race

PROCESSES = 6
LEFT = 2


def me(name: str = "admin") -> Any:
    return people.actor(User.objects.get(email=people.email_of(name)))


def refuse(_number: int) -> None:
    guard.authorize(me("guest"), Action.GENERATE_KEY)


def save_naively(number: int) -> None:
    """Count, wait until everybody has counted, and save."""
    views = SavedView.objects.filter(user__email=people.email_of("owner"))
    has_room = views.count() < MOST_VIEWS
    Throttle.objects.create(name=f"counted {number}")
    while Throttle.objects.filter(name__startswith="counted").count() < PROCESSES:
        time.sleep(0.005)
    if not has_room:
        raise NotAllowed("No.", allowed=[])
    views.create(user_id=me("owner").user_id, page="activity", name=f"New {number}", query="outcome=done")


def share(number: int) -> None:
    """Share a view of the inventory as one of two people, who may save many more."""
    person = me("admin" if number % 2 else "super_admin")
    save_view(person, "inventory", QueryDict("status=active"), f"Shared {number}", shared=True)


ATTEMPTS: dict[str, tuple[int, Callable[[int], object]]] = {
    "save a view": (
        LEFT,
        lambda number: save_view(me(), "activity", QueryDict("type=key:issue"), f"New {number}"),
    ),
    "share a view": (LEFT, share),
    "look for a key": (LEFT, lambda _: find_leaked(me(), text="x")),
    "verify the log": (1, lambda _: verify.request_verification(me(), lambda _id: None)),
    "download a pack": (1, lambda _: Lease(me())),
    "refuse": (0, refuse),
    "save a view naively": (PROCESSES, save_naively),
}


def attempt(number: int, name: str) -> bool:
    try:
        ATTEMPTS[name][1](number)
    except PortalError:
        return False
    return True


@pytest.mark.long
def test_all_processes_together_stay_within_the_limit(database: Address, committed_cast: people.Cast):
    """Known-bad control: people who count first and save afterwards save too many views."""
    for person in (committed_cast.admin, committed_cast.owner):
        SavedView.objects.bulk_create(
            SavedView(user=person, page="activity", name=f"Old {number}", query="outcome=done")
            for number in range(MOST_VIEWS - LEFT)
        )
    SavedView.objects.bulk_create(
        SavedView(
            user=committed_cast.guest, page="inventory", name=f"Old {number}", query="q=xy", shared=True
        )
        for number in range(MOST_SHARED - LEFT)
    )
    for _ in range(PER_MINUTE - LEFT):
        Throttle.objects.use(throttle_name("find", str(committed_cast.admin.pk)), PER_MINUTE, 60)
    answers = race(database, f"{__name__}:attempt", list(ATTEMPTS), processes=PROCESSES)
    assert {name: sum(admitted) for name, admitted in zip(ATTEMPTS, answers, strict=True)} == {
        name: allowed for name, (allowed, _) in ATTEMPTS.items()
    }
    assert AuditEvent.objects.filter(type="attempt:refuse").count() == 1
    assert RefusalCount.objects.get().waiting == PROCESSES - 1


def test_uses_are_counted_for_exactly_a_minute(db, monkeypatch):
    waits = []
    for moment in (0, 10, 20, 59, 60.5, 61, 70.5):
        monkeypatch.setattr(time, "time", lambda moment=moment: 1_800_000_000.0 + moment)
        waits.append(Throttle.objects.use("name", 2, 60))
    assert waits == [0, 0, 40, 1, 0, 9, 0]


def test_a_lease_that_somebody_else_has_taken_over_is_neither_renewed_nor_ended(db, monkeypatch):
    first = Throttle.objects.lease("name", 10)
    assert first is not None
    assert Throttle.objects.lease("name", 10) is None
    later = time.time() + 11
    monkeypatch.setattr(time, "time", lambda: later)
    second = Throttle.objects.lease("name", 10)
    assert second is not None
    assert Throttle.objects.renew("name", first, 10) == first
    Throttle.objects.release("name", first)
    assert Throttle.objects.lease("name", 10) is None
    Throttle.objects.release("name", second)
    assert Throttle.objects.lease("name", 10) is not None


def test_a_row_that_is_deleted_before_it_is_locked_is_created_again(db, monkeypatch):
    create = Throttle.objects.bulk_create
    deletions = iter([True])

    def create_and_forget(*rows: Any, **options: Any) -> None:
        create(*rows, **options)
        if next(deletions, False):
            Throttle.objects.all().delete()

    monkeypatch.setattr(Throttle.objects, "bulk_create", create_and_forget)
    assert Throttle.objects.take("name", Budget(1, 60)) == 0


def test_a_time_that_the_portal_cannot_have_set_limits_nothing_for_ever(db):
    Throttle.objects.create(name="name", busy_until=time.time() + 10**9)
    assert Throttle.objects.lease("name", 10) is not None
    Throttle.objects.update(busy_until=time.time() + 10**9)
    budget = Budget(burst=2, seconds=60)
    assert Throttle.objects.take("name", budget) is None
    with mock.patch("time.time", return_value=time.time() + 61):
        assert Throttle.objects.take("name", budget) is not None
