"""Store versions of the policy that a constraint refuses, for test_constraints.py."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from keys.models import PolicyVersion
from tests.cast import Cast, a_key
from tests.support.policies import an_exception

Wrong = Callable[[Cast], object]


def policy(**columns: object) -> Wrong:
    facts = {"number": 1, "document": "{}", "digest": "d", "base": 0, "reason": "R", "needs_approval": True}
    proposed = {"proposed_at": timezone.now(), "state": "proposed", **facts, **columns}
    return lambda cast: PolicyVersion.objects.create(author=cast.owner, **proposed)


def a_policy_approved_by_its_author(cast: Cast) -> None:
    policy(state="active", starts_at=timezone.now(), decided_by=cast.owner)(cast)


def two_proposed_policies(cast: Cast) -> None:
    for number in (1, 2):
        policy(number=number)(cast)


def exception(**columns: object) -> Wrong:
    return lambda cast: an_exception(a_key(cast.admin), cast.owner, **columns)


def an_exception_granted_to_oneself(cast: Cast) -> None:
    exception(state="granted", decided_by=cast.owner, ends_at=timezone.now())(cast)


def two_waiting_exceptions(cast: Cast) -> None:
    key = a_key(cast.admin)
    for _ in range(2):
        an_exception(key, cast.owner)


WRONG: dict[str, list[Wrong]] = {
    "policy_state_is_known": [policy(state="odd")],
    "policy_starts_when_active": [policy(state="active", alone=True), policy(starts_at=timezone.now())],
    "policy_approved_by_another": [
        a_policy_approved_by_its_author,
        policy(state="active", starts_at=timezone.now()),
    ],
    "policy_one_proposal": [two_proposed_policies],
    "exception_rule_is_known": [exception(rule="freeze"), exception(rule="odd")],
    "exception_state_is_known": [exception(state="odd")],
    "exception_ends": [exception(days=0), exception(days=91)],
    "exception_granted_by_another": [an_exception_granted_to_oneself, exception(state="granted")],
    "exception_asked_once": [two_waiting_exceptions],
}
