"""Compare the permissions with a second set of tables, written from the product's documentation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.errors import NotAllowed
from keys.rules.permissions import (
    Action,
    Actor,
    Answering,
    KeyManagement,
    Role,
    check,
    is_stale,
    refusal,
    roles_that_may,
)
from tests.support.cases import in_one_test

ME, SOMEBODY_ELSE = uuid.UUID(int=1), uuid.UUID(int=2)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

LETTERS = {
    "G": Role.GUEST,
    "L": Role.LOGIN_ONLY,
    "U": Role.USER,
    "A": Role.ADMIN,
    "S": Role.SUPER_ADMIN,
    "O": Role.OWNER,
}
ALL, MEMBERS, ADMINS, HIGHEST, NOBODY = "GLUASO", "UASO", "ASO", "SO", ""

WORKSPACE = {
    Action.SEE_INVENTORY: ADMINS,
    Action.EXPORT_INVENTORY: ADMINS,
    Action.SHARE_VIEW: ADMINS,
    Action.CHANGE_SHARED_VIEW: HIGHEST,
    Action.SEE_ACTIVITY: ADMINS,
    Action.EXPORT_ACTIVITY: ADMINS,
    Action.EXPORT_EVIDENCE: ADMINS,
    Action.VERIFY_RECORD: ADMINS,
    Action.EXPLAIN_DAMAGE: HIGHEST,
    Action.SEE_CONFIGURATION: ADMINS,
    Action.REFRESH_ROLES: ADMINS,
    Action.GENERATE_KEY: ADMINS,
    Action.REGISTER_KEY: ADMINS,
    Action.REQUEST_KEY: MEMBERS,
    Action.GENERATE_APPROVED: MEMBERS,
    Action.DECIDE_REQUEST: ADMINS,
    Action.BREAK_GLASS: HIGHEST,
    Action.FIND_KEY: MEMBERS,
    Action.COMPARE_INVENTORY: ADMINS,
    Action.ADOPT_KEY: ADMINS,
    Action.CORRECT_KEY: ADMINS,
    Action.WITHDRAW_KEY: ADMINS,
    Action.SEE_PEOPLE: ADMINS,
    Action.ADD_PERSON: ADMINS,
    Action.REMOVE_PERSON: ADMINS,
    Action.END_SESSIONS: ADMINS,
    Action.RESET_FACTORS: HIGHEST,
    Action.UNLINK_SSO: HIGHEST,
    Action.ERASE_PERSON: "O",
    Action.KEEP_KEY: HIGHEST,
    Action.REMIND_OWNER: ADMINS,
    Action.ASK_TO_ROTATE: ADMINS,
    Action.ACCEPT_REACH: ADMINS,
    Action.PLAN_LEAVING: ADMINS,
    Action.STOP_KEYS: ADMINS,
    Action.START_REVIEW: ADMINS,
    Action.REVIEW_KEY: ALL,
    Action.SIGN_REVIEW: HIGHEST,
    Action.END_QUARANTINE: HIGHEST,
    Action.MANAGE_CHANNELS: HIGHEST,
    Action.CHANGE_POLICY: HIGHEST,
    Action.GRANT_EXCEPTION: HIGHEST,
}
"""Who may do the action, for either setting of key management."""

KEYS = {
    # action: {setting: (who may with their own key, who may with the key of a person with the same role)}
    Action.SEE_KEY: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.NARROW_KEY: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.WIDEN_KEY: {KeyManagement.ADMINS: (ADMINS, ADMINS), KeyManagement.OWNER_ONLY: (ADMINS, NOBODY)},
    Action.DELETE_KEY: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.ROTATE_KEY: {KeyManagement.ADMINS: (ADMINS, ADMINS), KeyManagement.OWNER_ONLY: (ADMINS, NOBODY)},
    Action.CHANGE_ROTATION: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.RETIRE_KEY: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.ENTER_READING: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.ASK_EXCEPTION: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, ADMINS)},
    Action.EDIT_KEY: {KeyManagement.ADMINS: (ALL, ADMINS), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
    Action.REVEAL_KEY: {KeyManagement.ADMINS: (ALL, NOBODY), KeyManagement.OWNER_ONLY: (ALL, NOBODY)},
}

NEEDS_A_FRESH_ROLE = {
    Action.START_REVIEW,
    Action.SIGN_REVIEW,
    Action.GENERATE_KEY,
    Action.WIDEN_KEY,
    Action.KEEP_KEY,
    Action.END_QUARANTINE,
    Action.EXPLAIN_DAMAGE,
    Action.EXPORT_INVENTORY,
    Action.EXPORT_ACTIVITY,
    Action.EXPORT_EVIDENCE,
    Action.REFRESH_ROLES,
    Action.REMIND_OWNER,
    Action.MANAGE_CHANNELS,
    Action.ASK_TO_ROTATE,
    Action.CHANGE_POLICY,
    Action.GRANT_EXCEPTION,
    Action.ACCEPT_REACH,
    Action.PLAN_LEAVING,
    Action.STOP_KEYS,
    Action.REGISTER_KEY,
    Action.REQUEST_KEY,
    Action.GENERATE_APPROVED,
    Action.DECIDE_REQUEST,
    Action.BREAK_GLASS,
    Action.ADOPT_KEY,
    Action.COMPARE_INVENTORY,
    Action.EDIT_KEY,
    Action.CORRECT_KEY,
    Action.WITHDRAW_KEY,
    Action.DELETE_KEY,
    Action.ROTATE_KEY,
    Action.CHANGE_ROTATION,
    Action.RETIRE_KEY,
    Action.ADD_PERSON,
    Action.REMOVE_PERSON,
    Action.END_SESSIONS,
    Action.RESET_FACTORS,
    Action.UNLINK_SSO,
    Action.ERASE_PERSON,
}

roles = st.sampled_from(Role)
actions = st.sampled_from(Action)
managements = st.sampled_from(KeyManagement)


@dataclass(frozen=True)
class Key:
    owner_cerby_id: uuid.UUID
    owner_role: Role | None
    answering: Answering = field(default_factory=Answering)


def actor(role: Role, *, management: KeyManagement = KeyManagement.ADMINS, stale: bool = False) -> Actor:
    return Actor(
        user_id=1,
        cerby_id=ME,
        name="Me",
        email="me@contenzilla.example",
        role=role,
        role_is_stale=stale,
        management=management,
    )


def who_may(action: Action, management: KeyManagement, owner: uuid.UUID | None) -> str:
    """Return the letters of the roles that may, with a key of ``owner``, who has the same role as the actor."""
    return "".join(
        letter
        for letter, role in LETTERS.items()
        if actor(role, management=management).may(action, Key(owner, role) if owner else None)
    )


@in_one_test("management", KeyManagement)
@in_one_test(
    "answering, allowed",
    [
        (
            Answering(accountable=1),
            {
                *(Action.SEE_KEY, Action.EDIT_KEY, Action.ACCEPT_REACH, Action.PLAN_LEAVING),
                Action.ASK_EXCEPTION,
            },
        ),
        (Answering(backup=1), {Action.SEE_KEY, Action.PLAN_LEAVING, Action.ASK_EXCEPTION}),
        (Answering(accountable=2, backup=2), set()),
    ],
)
def test_who_answers_for_a_key_sees_it_and_the_accountable_person_edits_it(answering, allowed, management):
    key = Key(SOMEBODY_ELSE, Role.OWNER, answering)
    guest = actor(Role.GUEST, management=management)
    may_answer = {*KEYS, Action.ACCEPT_REACH, Action.PLAN_LEAVING}
    assert {action for action in may_answer if guest.may(action, key)} == allowed


def test_the_tables_contain_every_action_and_role():
    assert WORKSPACE.keys() | KEYS.keys() == set(Action)
    assert list(LETTERS.values()) == sorted(Role)


@in_one_test("management", KeyManagement)
@in_one_test("action", WORKSPACE)
def test_actions_on_the_workspace(action, management):
    assert who_may(action, management, owner=None) == WORKSPACE[action]


@in_one_test("management", KeyManagement)
@in_one_test("action", KEYS)
def test_actions_on_a_key(action, management):
    own, others = KEYS[action][management]
    assert who_may(action, management, ME) == own
    assert who_may(action, management, SOMEBODY_ELSE) == others


@in_one_test(
    "owner_letter, may_widen",
    [("G", "ASO"), ("L", "ASO"), ("U", "ASO"), ("A", "ASO"), ("S", "SO"), ("O", "O")],
)
def test_widening_needs_a_role_at_least_as_high_as_the_key_owners(owner_letter, may_widen):
    key = Key(SOMEBODY_ELSE, LETTERS[owner_letter])
    may = "".join(letter for letter, role in LETTERS.items() if actor(role).may(Action.WIDEN_KEY, key))
    assert may == may_widen


@dataclass
class Person:
    pk: int
    name: str
    role: int


@in_one_test("action", [Action.ADD_PERSON, Action.REMOVE_PERSON, Action.END_SESSIONS])
@in_one_test("letter, allowed", [("G", "ASO"), ("A", "ASO"), ("S", "SO"), ("O", "O")])
def test_nobody_acts_on_a_person_with_a_higher_role(action, letter, allowed):
    person = Person(2, "Somebody", LETTERS[letter])
    may = "".join(letter for letter, role in LETTERS.items() if actor(role).may(action, None, person))
    assert may == allowed


def test_nobody_removes_themselves_or_their_factors():
    for action in (Action.REMOVE_PERSON, Action.RESET_FACTORS, Action.UNLINK_SSO):
        assert not actor(Role.OWNER).may(action, None, Person(1, "Me", Role.OWNER))


def test_a_super_admin_does_not_reset_the_factors_of_the_owner():
    assert actor(Role.SUPER_ADMIN).may(Action.RESET_FACTORS, None, Person(2, "Else", Role.SUPER_ADMIN))
    assert not actor(Role.SUPER_ADMIN).may(Action.RESET_FACTORS, None, Person(2, "Else", Role.OWNER))


def test_nobody_widens_a_key_whose_owners_role_is_unknown():
    assert not actor(Role.OWNER).may(Action.WIDEN_KEY, Key(SOMEBODY_ELSE, None))


@in_one_test("action", [Action.NARROW_KEY, Action.DELETE_KEY])
def test_an_admin_may_weaken_the_key_of_a_person_with_a_higher_role(action):
    assert actor(Role.ADMIN).may(action, Key(SOMEBODY_ELSE, Role.OWNER))


@given(action=actions, role=roles, management=managements)
def test_a_stale_role_prevents_only_the_actions_that_need_a_fresh_one(action, role, management):
    key = Key(ME, role)
    fresh, stale = (actor(role, management=management, stale=stale) for stale in (False, True))
    assert stale.may(action, key) == (fresh.may(action, key) and action not in NEEDS_A_FRESH_ROLE)


@given(
    action=actions, lower=roles, higher=roles, owner_role=roles, owns=st.booleans(), management=managements
)
def test_a_lower_role_never_allows_more(*, action, lower, higher, owner_role, owns, management):
    lower, higher = sorted([lower, higher])
    key = Key(ME if owns else SOMEBODY_ELSE, owner_role)
    if actor(lower, management=management).may(action, key):
        assert actor(higher, management=management).may(action, key)


@given(action=actions, role=roles, owner_role=roles, owns=st.booleans())
def test_owner_only_management_never_allows_more(action, role, owner_role, owns):
    key = Key(ME if owns else SOMEBODY_ELSE, owner_role)
    if actor(role, management=KeyManagement.OWNER_ONLY).may(action, key):
        assert actor(role, management=KeyManagement.ADMINS).may(action, key)


@given(
    action=actions,
    role=roles,
    owner_role=roles,
    owns=st.booleans(),
    stale=st.booleans(),
    management=managements,
)
def test_check_raises_the_refusals_sentence(*, action, role, owner_role, owns, stale, management):
    person = actor(role, management=management, stale=stale)
    key = Key(ME if owns else SOMEBODY_ELSE, owner_role)
    reason = refusal(person, action, key)
    if reason is None:
        check(person, action, key)
        return
    with pytest.raises(NotAllowed) as caught:
        check(person, action, key)
    assert caught.value.sentence == reason
    assert action.words in reason
    assert caught.value.allowed == roles_that_may(action, management)


@given(action=actions, role=roles, management=managements)
def test_a_person_whom_cerby_has_disabled_may_do_nothing(action, role, management):
    person = replace(actor(role, management=management), is_active=False)
    assert not person.may(action, Key(ME, role))


def test_roles_that_may_are_listed_highest_first():
    assert roles_that_may(Action.GENERATE_KEY, KeyManagement.ADMINS) == ["Owner", "Super Admin", "Admin"]
    assert roles_that_may(Action.DELETE_KEY, KeyManagement.ADMINS) == [
        "Owner",
        "Super Admin",
        "Admin",
        "the key's owner",
    ]
    assert roles_that_may(Action.DELETE_KEY, KeyManagement.OWNER_ONLY) == ["the key's owner"]


@in_one_test(
    "age, stale",
    [
        (timedelta(0), False),
        (timedelta(hours=24), False),
        (timedelta(hours=24, microseconds=1), True),
        (timedelta(days=400), True),
    ],
)
def test_a_role_goes_stale_after_a_day(age, stale):
    assert is_stale(NOW - age, NOW) is stale


def test_a_role_that_cerby_never_confirmed_is_stale():
    assert is_stale(None, NOW)
