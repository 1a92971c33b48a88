from hypothesis import given
from hypothesis import strategies as st

from keys.rules import scopes

some_scopes = st.sets(st.sampled_from([*scopes.CATALOGUE, "made:up", "read:items:unknown"]))


def test_the_nine_stand_in_cerbys_order():
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


def test_the_eight_that_a_configuration_adds():
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


def test_whatever_is_not_a_read_writes():
    assert all(scope.writes != scope.id.startswith("read:") for scope in scopes.CATALOGUE.values())


def test_offered_with_and_without_the_extra_ones():
    assert scopes.offered(extra=False) == scopes.PUBLISHED
    assert scopes.offered(extra=True) == tuple(scopes.CATALOGUE.values())
    assert len(scopes.CATALOGUE) == 17


def test_an_unknown_scope_is_shown_as_itself():
    assert scopes.label("read:items:accounts") == "Read accounts"
    assert scopes.label("made:up") == "made:up"


def test_in_order_sorts_drops_doubles_and_keeps_strangers_last():
    given_ids = ["z:other", "write:automations", "read:users", "a:other", "read:users"]
    assert scopes.in_order(given_ids) == ["read:users", "write:automations", "a:other", "z:other"]


def test_a_narrower_scope_is_within_the_wider_one():
    assert not scopes.widens(["read:items"], ["read:items:secrets"])
    assert not scopes.widens(["read:items"], ["read:items:accounts", "read:items:secrets"])
    assert scopes.widens(["read:items:accounts", "read:items:secrets"], ["read:items"])  # collections, too
    assert scopes.widens(["read:items"], ["write:items:secrets"])


def test_unknown_scopes_count_literally():
    assert scopes.widens(["read:items"], ["read:items:unknown"])
    assert not scopes.widens(["made:up"], ["made:up"])


@given(some_scopes, some_scopes)
def test_taking_away_never_widens_and_adding_a_stranger_always_does(some, more):
    assert not scopes.widens(some | more, some)
    assert scopes.widens(some, some | {"never:seen"})
    assert scopes.reach(scopes.reach(some)) == scopes.reach(some) >= some
