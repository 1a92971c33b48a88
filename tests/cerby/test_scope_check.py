"""Test the comparison of a key's access with the requested scopes."""

from __future__ import annotations

from keys.cerby import PROBES, Access
from keys.cerby.scope_check import check_scopes_granted
from keys.rules.scopes import CATALOGUE
from tests.support.cases import in_one_test

LISTS = {one.list_name: one for one in PROBES}


def seen(*opened: str, forbidden: tuple[str, ...] = ()):
    """Return accesses in which those lists are open and the others closed."""
    return {
        one: Access.OPEN if name in opened else (Access.FORBIDDEN if name in forbidden else Access.CLOSED)
        for name, one in LISTS.items()
    }


@in_one_test(
    "asked, opened",
    [
        (["read:users"], ["users", "teams"]),
        (["read:items"], ["accounts", "secrets"]),
        (["read:items:accounts", "read:items:secrets"], ["accounts", "secrets"]),
        (["read:integrations", "read:vaults"], ["integrations", "vaults"]),
    ],
)
def test_exactly_the_requested_scopes(asked, opened):
    verdict = check_scopes_granted(asked, seen(*opened))
    assert (verdict.granted, verdict.wider, verdict.missing, verdict.unchecked) == (asked, [], [], [])
    assert verdict.accepted
    assert not verdict.may_be_dead


@in_one_test(
    "asked, opened, wider",
    [
        (["read:items:accounts"], ["accounts", "secrets"], [["read:items", "read:items:secrets"]]),
        (["read:items"], ["accounts", "secrets", "vaults"], [["read:vaults"]]),
        (["read:integrations"], ["integrations", "users", "teams"], [["read:users"]]),
        (["read:activities"], ["accounts"], [["read:items", "read:items:accounts"]]),
    ],
)
def test_wider_lists_the_scopes_of_which_the_key_has_one(asked, opened, wider):
    assert check_scopes_granted(asked, seen(*opened)).wider == wider


def test_a_list_that_a_requested_scope_may_open_is_not_wider():
    """Cerby does not publish whether writing includes reading."""
    assert check_scopes_granted(["write:users"], seen("users", "teams")).wider == []
    assert check_scopes_granted(["read:teams"], seen("teams")).wider == []


def test_only_certainly_missing_scopes_are_missing():
    verdict = check_scopes_granted(["read:items", "read:users"], seen("accounts", "users"))
    assert (verdict.granted, verdict.missing) == (["read:users"], ["read:items"])


def test_closed_teams_do_not_prove_that_read_users_is_missing():
    assert check_scopes_granted(["read:users"], seen("users")).missing == []


@in_one_test("scope", [scope for scope in CATALOGUE if not any(scope in p.opened_by for p in PROBES)])
def test_a_scope_that_no_published_read_needs_cannot_be_checked(scope):
    verdict = check_scopes_granted([scope, "read:users"], seen("users"))
    assert verdict.unchecked == [scope]
    assert scope in verdict.granted


def test_a_list_that_the_owner_may_not_see_proves_nothing_about_the_key():
    verdict = check_scopes_granted(["read:vaults", "read:users"], seen("users", forbidden=("vaults",)))
    assert (verdict.missing, verdict.unchecked) == ([], ["read:vaults"])


def test_a_key_that_opens_nothing_may_be_dead_if_a_list_should_be_open():
    assert check_scopes_granted(["read:users"], seen()).may_be_dead
    assert not check_scopes_granted(["read:activities"], seen()).may_be_dead
    assert not check_scopes_granted(["read:activities"], seen()).accepted
