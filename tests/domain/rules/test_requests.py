"""Check the rules of requests: who may decide, and that no guard is superfluous."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from keys.rules.permissions import ADMINS, HIGHEST, Role
from keys.rules.requests import (
    Approver,
    Asked,
    RequestState,
    canonical,
    digest_of,
    escalate_at,
    is_approved,
    review_by,
    state_at,
    why_not_break_glass,
    why_not_decide,
    why_not_review,
)

NOW = datetime(2026, 6, 5, 12, tzinfo=UTC)  # a Friday
REQUESTER, OWNER, OTHER, SECOND = 1, 2, 3, 4


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("least", list(Role))
@pytest.mark.parametrize("owner", [REQUESTER, OWNER])
def test_nobody_decides_about_their_own_request(role, least, owner):
    asked = Asked(REQUESTER, owner, least)
    assert why_not_decide(Approver(REQUESTER, role), asked)
    assert why_not_decide(Approver(owner, role), asked)
    may = role in ADMINS and role >= min(least, Role.SUPER_ADMIN)
    assert (why_not_decide(Approver(OTHER, role), asked) == "") is may
    assert why_not_decide(Approver(OTHER, role, is_active=False), asked)
    assert why_not_decide(Approver(OTHER, role), replace(asked, decided=frozenset({OTHER})))


def test_approvals_of_the_requester_and_the_owner_do_not_count():
    asked = Asked(REQUESTER, OWNER, Role.ADMIN)
    assert not is_approved([REQUESTER, OWNER], asked, 1)
    assert is_approved([OTHER], asked, 1)
    assert not is_approved([OTHER, OTHER], asked, 2)
    assert is_approved([OTHER, SECOND], asked, 2)


@pytest.mark.parametrize("role", list(Role))
def test_only_the_highest_roles_go_on_without_approval_and_for_a_day(role):
    day = timedelta(hours=24)
    assert (why_not_break_glass(role, day) == "") is (role in HIGHEST)
    assert why_not_break_glass(role, day + timedelta(seconds=1))
    assert why_not_review(Approver(REQUESTER, role), REQUESTER)
    assert (why_not_review(Approver(OTHER, role), REQUESTER) == "") is (role in ADMINS)


def test_a_request_expires_by_the_clock_alone():
    early, late = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert state_at(RequestState.OPEN, NOW, None, early) is RequestState.OPEN
    assert state_at(RequestState.OPEN, NOW, None, NOW) is RequestState.EXPIRED
    assert state_at(RequestState.APPROVED, early, late, NOW) is RequestState.APPROVED
    assert state_at(RequestState.APPROVED, early, NOW, NOW) is RequestState.EXPIRED
    for ended in (RequestState.USED, RequestState.DENIED, RequestState.WITHDRAWN, RequestState.STALE):
        assert state_at(ended, early, early, NOW) is ended


def test_the_review_is_due_after_two_working_days():
    assert review_by(NOW) == NOW + timedelta(days=4)  # Friday to Tuesday
    assert review_by(NOW + timedelta(days=3)) == NOW + timedelta(days=5)  # Monday to Wednesday
    assert escalate_at(NOW, NOW + timedelta(days=3)) == NOW + timedelta(hours=36)


def test_equal_documents_have_one_hash():
    assert digest_of(canonical({"b": [1], "a": "é"})) == digest_of(canonical({"a": "é", "b": [1]}))
    assert digest_of(canonical({"a": 1})) != digest_of(canonical({"a": 2}))


PEOPLE = [
    Approver(user_id, role, is_active)
    for user_id, role, is_active in product(
        (REQUESTER, OWNER, OTHER, SECOND), (Role.USER, Role.ADMIN, Role.OWNER), (True, False)
    )
]
GUARDS = {
    "active": lambda person, asked: not person.is_active,
    "requester": lambda person, asked: person.user_id == asked.requester,
    "owner": lambda person, asked: person.user_id == asked.owner,
    "twice": lambda person, asked: person.user_id in asked.decided,
    "role": lambda person, asked: person.role not in ADMINS,
    "least role": lambda person, asked: person.role < asked.least_role,
}


def forbidden_ends(removed: str) -> set[str]:
    """Explore every order of approvals in which the guard ``removed`` is missing. Return broken promises."""
    broken: set[str] = set()
    needed = 2
    start = Asked(REQUESTER, OWNER, Role.SUPER_ADMIN)
    stack: list[tuple[Asked, tuple[Approver, ...]]] = [(start, ())]
    seen: set[tuple[Approver, ...]] = set()
    while stack:
        asked, approved = stack.pop()
        if approved in seen:
            continue
        seen.add(approved)
        if len(approved) == needed:
            ids = [person.user_id for person in approved]
            broken |= {"self"} if REQUESTER in ids else set()
            broken |= {"owner"} if OWNER in ids else set()
            broken |= {"one person twice"} if len(set(ids)) < needed else set()
            broken |= {"inactive"} if not all(person.is_active for person in approved) else set()
            broken |= {"no admin"} if any(person.role not in ADMINS for person in approved) else set()
            broken |= {"lower role"} if any(person.role < start.least_role for person in approved) else set()
            continue
        for person in PEOPLE:
            refusing = [name for name, forbids in GUARDS.items() if forbids(person, asked)]
            assert bool(refusing) is bool(why_not_decide(person, asked))
            if not [name for name in refusing if name != removed]:
                after = replace(asked, decided=asked.decided | {person.user_id})
                stack.append((after, (*approved, person)))
    return broken


def test_with_all_guards_no_promise_is_broken():
    assert forbidden_ends("") == set()


@pytest.mark.parametrize(
    ("guard", "promise"),
    [
        ("active", "inactive"),
        ("requester", "self"),
        ("owner", "owner"),
        ("twice", "one person twice"),
        ("least role", "lower role"),
    ],
)
def test_the_check_notices_each_missing_guard(guard, promise):
    assert promise in forbidden_ends(guard)
