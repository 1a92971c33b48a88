"""Test the rules of the policy: tiers, values, and the words of each rule."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from keys.rules.permissions import Role
from keys.rules.policy.approvals import approvals_needed
from keys.rules.policy.document import DEFAULT, Mode, Name, Policy
from keys.rules.policy.facts import Facts
from keys.rules.policy.in_words import rule_in_words
from keys.rules.policy.tiers import TIERS, Tier, tier_of
from keys.rules.policy.violations import fix, violations
from keys.rules.scopes import CATALOGUE

NOW, TODAY = datetime(2026, 6, 1, 12, tzinfo=UTC), date(2026, 6, 1)
GOOD = Facts(
    scopes=("read:items:secrets",),
    owner_role=Role.ADMIN,
    is_agent=False,
    purpose="P",
    team="T",
    system="S",
    is_orphan=False,
    has_backup=True,
    review_on=TODAY + timedelta(days=90),
    created_at=NOW - timedelta(days=10),
    expires_at=NOW + timedelta(days=80),
    used_at=NOW - timedelta(days=45),
    stored_in="Vault",
)


def outside(**facts) -> list[Name]:
    return [each.rule for each in violations(DEFAULT, dataclasses.replace(GOOD, **facts), NOW)]


@pytest.mark.parametrize(
    ("scopes", "role", "tier"),
    [
        (["read:activities"], Role.ADMIN, Tier.LOW),
        (["read:activities"], Role.OWNER, Tier.MEDIUM),
        (["read:users", "read:activities"], Role.USER, Tier.MEDIUM),
        (["read:items"], Role.USER, Tier.HIGH),
        (["write:integrations"], Role.SUPER_ADMIN, Tier.CRITICAL),
        (["delete:everything"], Role.USER, Tier.HIGH),
        ([], Role.USER, Tier.HIGH),
    ],
)
def test_the_tier_of_a_key_is_the_highest_of_its_scopes_and_one_more_for_an_owner(scopes, role, tier):
    assert tier_of(scopes, role, TIERS) is tier


def test_scopes_that_write_are_high():
    assert {TIERS[scope.id] for scope in CATALOGUE.values() if scope.writes} == {Tier.HIGH}


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        ({}, []),
        ({"purpose": ""}, [Name.PURPOSE]),
        ({"team": ""}, [Name.TEAM]),
        ({"system": ""}, [Name.SYSTEM]),
        ({"is_orphan": True}, [Name.ACCOUNTABLE]),
        ({"has_backup": False}, [Name.BACKUP]),
        ({"stored_in": ""}, [Name.VAULT]),
        ({"stored_in": None}, []),
        ({"review_on": None}, [Name.REVIEW]),
        ({"review_on": TODAY + timedelta(days=91)}, [Name.REVIEW]),
        ({"expires_at": NOW + timedelta(days=80, seconds=1)}, [Name.LIFE]),
        ({"expires_at": None}, [Name.LIFE]),
        ({"expires_at": NOW + timedelta(days=999), "created_at": None}, []),
        ({"used_at": NOW - timedelta(days=45, seconds=1)}, [Name.USE]),
        ({"used_at": None}, []),
        ({"scopes": ("read:users",), "is_orphan": True, "has_backup": False, "stored_in": ""}, []),
        ({"scopes": ("read:activities",), "system": "", "used_at": NOW - timedelta(days=90)}, []),
        ({"is_agent": True}, [Name.LIFE, Name.REVIEW, Name.USE]),
        (
            {"scopes": ("read:activities",), "is_agent": True, "is_orphan": True},
            [Name.LIFE, Name.ACCOUNTABLE, Name.REVIEW, Name.USE],
        ),
    ],
)
def test_each_rule_at_its_limit(facts, rules):
    assert outside(**facts) == rules


def test_a_life_that_is_too_long_by_a_second_is_not_said_to_be_as_long_as_allowed():
    late = dataclasses.replace(GOOD, expires_at=NOW + timedelta(days=80, seconds=1))
    [found] = violations(DEFAULT, late, NOW)
    assert found.words == "It is valid for 91 days in total; 90 are allowed."


def test_each_rule_has_words_and_a_way_to_comply():
    assert set(DEFAULT.rules) == set(Name)
    words = {name: rule_in_words(name, rule) for name, rule in DEFAULT.rules.items()}
    assert words[Name.LIFE] == (
        "A key may be valid for at most this many days in total: "
        "366 (low), 180 (medium), 90 (high), 90 (critical), 30 for the key of an agent."
    )
    assert words[Name.PURPOSE] == "Every key must have a purpose."
    assert words[Name.BACKUP] == "A key of tier high or critical must have a backup."
    assert words[Name.ACCOUNTABLE] == (
        "A key of tier high or critical, and each key of an agent, must have an active accountable person."
    )
    assert all(fix(name) for name in Name if not name.is_for_requests)
    assert all(name.label for name in Name)


def test_a_rule_that_is_off_asks_nothing():
    off = {name: dataclasses.replace(rule, mode=Mode.OFF) for name, rule in DEFAULT.rules.items()}
    assert violations(Policy(off), dataclasses.replace(GOOD, purpose="", expires_at=None), NOW) == []


@pytest.mark.parametrize(
    ("facts", "number"),
    [
        ({"scopes": ("read:users",)}, 0),
        ({"scopes": ("read:users",), "owner_role": Role.OWNER}, 1),
        ({}, 1),
        ({"owner_role": Role.SUPER_ADMIN}, 2),
        ({"scopes": ("read:activities",), "is_agent": True}, 1),
        ({"owner_role": Role.OWNER, "is_agent": True}, 2),
    ],
)
def test_the_approvals_that_a_request_needs(facts, number):
    enforced = dataclasses.replace(DEFAULT.rules[Name.APPROVALS], mode=Mode.ENFORCE)
    assert approvals_needed(Policy({Name.APPROVALS: enforced}), dataclasses.replace(GOOD, **facts)) == number
    assert approvals_needed(DEFAULT, dataclasses.replace(GOOD, **facts)) == 0, "the default only reports"
