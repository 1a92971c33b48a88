"""What a key opens, held against what was asked for: wider, narrower, untellable, dead."""

from __future__ import annotations

import pytest

from keys.cerby import PROBES, Access
from keys.cerby.scope_check import check_scopes_granted
from keys.rules.scopes import CATALOGUE

LISTS = {one.list_name: one for one in PROBES}


def seen(*opened: str, unclear: tuple[str, ...] = ()):
    """Those lists are open, the others closed."""
    return {
        one: Access.OPEN if name in opened else (Access.UNCLEAR if name in unclear else Access.CLOSED)
        for name, one in LISTS.items()
    }


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        (["read:users"], ["users", "teams"]),
        (["read:items"], ["accounts", "secrets"]),
        (["read:items:accounts", "read:items:secrets"], ["accounts", "secrets"]),
        (["read:integrations", "read:vaults"], ["integrations", "vaults"]),
    ],
)
def test_exactly_what_was_asked(asked, opened):
    verdict = check_scopes_granted(asked, seen(*opened))
    assert (verdict.granted, verdict.wider, verdict.missing, verdict.unchecked) == (asked, [], [], [])
    assert verdict.accepted
    assert not verdict.may_be_dead


@pytest.mark.parametrize(
    ("asked", "opened", "wider"),
    [
        (["read:items:accounts"], ["accounts", "secrets"], [["read:items", "read:items:secrets"]]),
        (["read:items"], ["accounts", "secrets", "vaults"], [["read:vaults"]]),
        (["read:integrations"], ["integrations", "users", "teams"], [["read:users"]]),
        (["read:activities"], ["accounts"], [["read:items", "read:items:accounts"]]),
    ],
)
def test_wider_names_the_scopes_of_which_the_key_has_one(asked, opened, wider):
    assert check_scopes_granted(asked, seen(*opened)).wider == wider


def test_what_may_come_from_a_scope_that_was_asked_for_is_not_held_against_the_key():
    """Cerby does not publish whether writing includes reading."""
    assert check_scopes_granted(["write:users"], seen("users", "teams")).wider == []
    assert check_scopes_granted(["read:teams"], seen("teams")).wider == []


def test_narrower_is_only_what_is_certain():
    verdict = check_scopes_granted(["read:items", "read:users"], seen("accounts", "users"))
    assert (verdict.granted, verdict.missing) == (["read:users"], ["read:items"])


def test_teams_being_closed_does_not_take_read_users_away():
    assert check_scopes_granted(["read:users"], seen("users")).missing == []


@pytest.mark.parametrize(
    "scope", [scope for scope in CATALOGUE if not any(scope in p.opened_by for p in PROBES)]
)
def test_a_scope_that_no_published_read_needs_cannot_be_checked(scope):
    verdict = check_scopes_granted([scope, "read:users"], seen("users"))
    assert verdict.unchecked == [scope]
    assert scope in verdict.granted


def test_a_list_that_the_owner_may_not_see_tells_nothing_of_the_key():
    verdict = check_scopes_granted(["read:vaults", "read:users"], seen("users", unclear=("vaults",)))
    assert (verdict.missing, verdict.unchecked) == ([], ["read:vaults"])


def test_a_key_that_opens_nothing_may_be_dead_where_something_should_have_opened():
    assert check_scopes_granted(["read:users"], seen()).may_be_dead
    assert not check_scopes_granted(["read:activities"], seen()).may_be_dead
    assert not check_scopes_granted(["read:activities"], seen()).accepted
