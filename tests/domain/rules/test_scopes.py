from hypothesis import given
from hypothesis import strategies as st

from keys.rules import scopes

some_scopes = st.sets(st.sampled_from([*scopes.CATALOGUE, "made:up", "read:items:unknown"]))


def test_the_published_scopes_are_in_cerbys_order():
    assert [scope.label for scope in scopes.PUBLISHED] == [
        "Read activities",
        "Read items",
        "Read accounts",
        "Read secrets",
        "Read users",
        "Read integrations",
        "Write integrations",
        "Read automated jobs",
        "Write automated jobs",
    ]
    assert all(scope.published for scope in scopes.PUBLISHED)


def test_the_eight_extra_scopes():
    assert {scope.label: scope.id for scope in scopes.EXTRA} == {
        "Read vaults": "read:vaults",
        "Read teams": "read:teams",
        "Write accounts": "write:items:accounts",
        "Write secrets": "write:items:secrets",
        "Write users": "write:users",
        "Write collections": "write:collections",
        "Write teams": "write:teams",
        "Delete teams": "delete:teams",
    }
    assert not any(scope.published for scope in scopes.EXTRA)


def test_every_scope_that_is_not_a_read_writes():
    assert all(scope.writes != scope.id.startswith("read:") for scope in scopes.CATALOGUE.values())


def test_available_scopes_with_and_without_the_extra_ones():
    assert scopes.offered(extra=False) == scopes.PUBLISHED
    assert scopes.offered(extra=True) == tuple(scopes.CATALOGUE.values())
    assert len(scopes.CATALOGUE) == 17


def test_an_unknown_scope_is_shown_as_itself():
    assert scopes.label("read:items:accounts") == "Read accounts"
    assert scopes.label("made:up") == "made:up"


def test_in_order_sorts_removes_duplicates_and_puts_unknown_scopes_last():
    given_ids = ["z:other", "write:automations", "read:users", "a:other", "read:users"]
    assert scopes.in_order(given_ids) == ["read:users", "write:automations", "a:other", "z:other"]


def test_a_wider_scope_includes_the_narrower_ones():
    assert not scopes.widens(["read:items"], ["read:items:secrets"])
    assert not scopes.widens(["read:items"], ["read:items:accounts", "read:items:secrets"])
    assert scopes.widens(
        ["read:items:accounts", "read:items:secrets"], ["read:items"]
    )  # read:items also includes collections
    assert scopes.widens(["read:items"], ["write:items:secrets"])


def test_an_unknown_scope_includes_only_itself():
    assert scopes.widens(["read:items"], ["read:items:unknown"])
    assert not scopes.widens(["made:up"], ["made:up"])


@given(some_scopes, some_scopes)
def test_removing_a_scope_never_widens_and_adding_an_unknown_one_always_does(some, more):
    assert not scopes.widens(some | more, some)
    assert scopes.widens(some, some | {"never:seen"})
    assert scopes.reach(scopes.reach(some)) == scopes.reach(some) >= some
