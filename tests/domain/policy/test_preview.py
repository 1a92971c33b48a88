"""Test that the preview, which asks the database, finds the same keys as the rules find one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keys.migrations._key_facts import WATCHED
from keys.models import ApiKey, KeyFacts
from keys.models import policy_columns as bits
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, PHASE, Phase, State
from keys.rules.policy.document import Mode, Name, Policy, Rule, Shape
from keys.rules.policy.tiers import Tier
from keys.rules.policy.violations import day_of
from keys.rules.scopes import CATALOGUE
from keys.selectors.policy import groups as groups_module
from keys.selectors.policy.facts import COLUMNS, owners_keys, violations_in
from keys.selectors.policy.groups import Groups
from keys.selectors.policy.preview import count_groups
from tests.cast import a_key, an_unsaved_key

NOW = datetime(2026, 6, 1, 12, 30, 15, 250_000, tzinfo=UTC)
KEYS = 150
_DAYS = (None, 1, 30, 31, 90)
_PATTERNS = ("*-prod", "Robot ?", "R*", "a_b*")


def some_keys(cast) -> list[ApiKey]:
    """Return keys whose values lie on and around the limits of the rules."""
    chance = random.Random(7)

    def moment(*days: int) -> datetime:
        shift = chance.choice([-1_000_000, -250_001, -1, 0, 1, 250_000, 1_000_000])
        return NOW + timedelta(days=chance.choice(days), microseconds=shift)

    def one(number: int) -> ApiKey:
        made = moment(-90, -31, -30, -1)
        origin = chance.choice(list(ApiKey.Origin.values))
        columns: dict[str, Any] = {
            "name": chance.choice(["Robot 1", "x-prod", "a_b", "axb", "robot", "Zed"]) + str(number),
            "scopes": chance.sample([*CATALOGUE, "odd:scope"], chance.choice([0, 1, 1, 2, 3])),
            "origin": origin,
            "purpose": chance.choice(["", "P"]),
            "team": chance.choice(["", "T"]),
            "system": chance.choice(["", "S"]),
            "kind": chance.choice(["", "agent", "workload"]),
            "created_at": made,
            "created_known": chance.choice([True, True, False]),
            "expires_at": chance.choice([made + timedelta(days=121), moment(0, 1, 30, 90), EXPIRY_NOT_KNOWN]),
            "last_used_at": chance.choice([None, moment(-90, -31, -30, -1)]),
            "use_read_at": chance.choice([None, NOW]),
            "review_on": chance.choice(
                [None, day_of(NOW) + timedelta(days=chance.choice([1, 30, 31, 90, 91]))]
            ),
            "stored_at": chance.choice([None, NOW]),
            "stored_in": chance.choice(["", "Vault"]),
            "backup": chance.choice([None, cast.admin]),
            "holds_name": None,
            **chance.choice([{}, {"accountable_left_at": NOW}, ApiKey.accountable_columns(None)]),
        }
        if columns["expires_at"] <= made:
            columns["expires_at"] = made + timedelta(seconds=1)
        if columns["use_read_at"]:
            columns["use_read_by"] = cast.admin
        if origin in {"pasted", "registered", "declared"}:
            columns |= {"cerby_id": None, "pepper_id": "p1", "fingerprint": number.to_bytes(32)}
        if chance.random() < 0.1:
            columns |= {"state": State.REVOKED, "removed_at": NOW}
        owner = chance.choice([cast.owner, cast.super_admin, cast.admin, cast.user, cast.user])
        return an_unsaved_key(owner, **columns)

    return [one(number) for number in range(KEYS)]


def by_tier(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[Tier, Any]]:
    return st.fixed_dictionaries(dict.fromkeys(Tier, values))


def rules_of(name: Name) -> st.SearchStrategy[Rule]:
    if name is Name.PAIRS:
        pair = st.lists(st.sampled_from(list(CATALOGUE)), min_size=2, max_size=2, unique=True)
        entries = st.lists(pair.map(" + ".join), max_size=3).map(tuple)
    else:
        entries = st.lists(st.sampled_from(_PATTERNS), max_size=2, unique=True).map(tuple)
    if name.shape is Shape.ENTRIES:
        return st.builds(Rule, mode=st.sampled_from(Mode), entries=entries)
    values = {Shape.NEEDED: st.booleans(), Shape.NUMBER: st.sampled_from([None, 1, 30, 45])}
    value = values.get(name.shape, st.sampled_from(_DAYS))
    return st.builds(Rule, by_tier(value), value, st.sampled_from(Mode))


POLICIES = st.builds(
    Policy,
    st.fixed_dictionaries({name: rules_of(name) for name in Name if not name.is_for_requests}),
    st.fixed_dictionaries(
        {scope: st.sampled_from([Tier.LOW, Tier.MEDIUM, Tier.HIGH]) for scope in CATALOGUE}
    ),
)


@pytest.mark.parametrize("mode", ["direct", "assisted"])
def test_the_preview_finds_the_keys_that_the_rules_find_one_by_one(cast, settings, mode, monkeypatch):
    settings.CERBY_ISSUE_MODE = mode
    if mode == "assisted":
        monkeypatch.setattr(groups_module, "MOST_OWNERS", 0)  # as if there were too many to name
    ApiKey.objects.bulk_create(some_keys(cast))
    columns = list(ApiKey.objects.values(*COLUMNS))

    def found(policy: Policy) -> dict[Name, set[Any]]:
        """Return the keys outside each rule, found one by one."""
        counts = owners_keys({key["owner_id"] for key in columns}, NOW, policy)
        outside: dict[Name, set[Any]] = {name: set() for name in Name}
        for key in columns:
            for violation in violations_in(key, NOW, policy, counts):
                outside[violation.rule].add(key["id"])
        return outside

    @hypothesis_settings(
        max_examples=25, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(POLICIES, POLICIES)
    def compare(before: Policy, after: Policy) -> None:
        groups = Groups(before, after, list(before.rules), NOW)
        was, then, newly = count_groups(groups)
        one_by_one, afterwards = found(before), found(after)
        assert {name: was[name] for name in Name} == {name: len(keys) for name, keys in one_by_one.items()}
        assert {name: then[name] for name in Name} == {name: len(keys) for name, keys in afterwards.items()}
        new = set().union(*(afterwards[name] - one_by_one[name] for name in Name))
        assert (newly, set(groups.newly_outside())) == (len(new), new)

    compare()


def test_each_scope_of_the_catalogue_has_a_bit():
    assert set(bits.SCOPES) == set(CATALOGUE)


def test_the_facts_about_a_key_follow_it(cast):
    key = a_key(cast.user, name="Robot", team="")
    assert KeyFacts.objects.get().bits & bits.NO_TEAM
    ApiKey.objects.filter(pk=key.pk).update(team="T", name="Renamed", scopes=["odd"])
    facts = KeyFacts.objects.get(key=key)
    assert (facts.name, facts.bits & bits.NO_TEAM, facts.bits & bits.ALL_SCOPES) == (
        "Renamed",
        0,
        bits.UNKNOWN_SCOPE,
    )
    ApiKey.objects.filter(pk=key.pk).update(state=State.REVOKED, removed_at=NOW)
    assert not KeyFacts.objects.exists()
    ApiKey.objects.filter(pk=key.pk).update(state=State.HELD)
    KeyFacts.objects.get(key=key)
    assert {state for state in State if PHASE[state] is Phase.LIVE} == {
        State.READY,
        State.CLAIMED,
        State.HELD,
    }
    assert set(WATCHED) <= {field.column for field in ApiKey._meta.concrete_fields}
