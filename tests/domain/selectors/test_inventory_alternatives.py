"""Compare filters for several values, and their totals, with a plain loop over all keys."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import ApiKey
from keys.selectors.inventory import conditions, keyset, search, totals
from keys.selectors.inventory.filters import InventoryFilter
from tests.cast import an_unsaved_key
from tests.support.cases import in_one_test

NOW = timezone.now()


@pytest.fixture
def many(cast):
    scopes = itertools.cycle(
        [["read:users"], ["read:items", "write:users"], ["read:teams"], ["delete:teams"]]
    )
    people = itertools.cycle([cast.owner, cast.admin, cast.super_admin])
    ApiKey.objects.bulk_create(
        an_unsaved_key(
            next(people),
            name=f"Robot {number}",
            scopes=next(scopes),
            created_at=NOW - timedelta(days=1 + number % 7),
            expires_at=NOW + timedelta(days=1 + number % 5),
            missing_since=NOW if number % 5 == 0 else None,
            owner_left_at=NOW if number % 4 == 0 else None,
            last_used_at=NOW if number % 2 else None,
        )
        for number in range(60)
    )
    return list(ApiKey.objects.all())


OWNER, ADMIN = "owner@contenzilla.example", "admin@contenzilla.example"
ASKED = {
    "scope=read:users&scope=read:teams": lambda key: {"read:users", "read:teams"} & {*key.scopes},
    "scope=write": lambda key: any(not scope.startswith("read:") for scope in key.scopes),
    "scope=write&scope=read:users": lambda key: key.scopes != ["read:teams"],
    f"owner={OWNER},{ADMIN}": lambda key: key.owner_email in {OWNER, ADMIN},
    f"owner={OWNER}+nobody@contenzilla.example": lambda key: key.owner_email == OWNER,
    "needs=missing&needs=owner-left": lambda key: key.missing_since or key.owner_left_at,
    "needs=missing&needs=never-used": lambda key: key.missing_since or not key.last_used_at,
    f"scope=write&scope=read:users&owner={OWNER},{ADMIN}": lambda key: (
        key.scopes != ["read:teams"] and key.owner_email in {OWNER, ADMIN}
    ),
    "scope=write&q=robot+1": lambda key: (
        any(not scope.startswith("read:") for scope in key.scopes) and " 1" in key.name
    ),
}


FEW = (0, 12, 1000)
SORTS = ("-created", "created", "name", "-expires", "last-used")


@in_one_test("few", FEW)
@in_one_test("asked", ASKED)
def test_a_filter_for_several_values_finds_exactly_its_keys_in_order(many, monkeypatch, nightly, few, asked):
    """``make nightly`` tries each filter with each order."""
    monkeypatch.setattr(conditions, "FEW", few)
    monkeypatch.setattr(search, "NEWEST", 10)
    expected = {key.pk for key in many if ASKED[asked](key)}
    turn = (list(ASKED).index(asked) + FEW.index(few)) % len(SORTS)
    for sort in SORTS if nightly else (SORTS[turn], SORTS[turn - 2]):
        wanted = chosen_by(f"{asked}&sort={sort}")
        shown = list(itertools.chain(*pages(wanted)))
        assert len(shown) == len(set(shown))
        assert set(shown) == expected
        whole = keyset.order_by(*wanted.keys()).values_list("pk", flat=True)
        assert set(whole) == expected
    total = wanted.total()
    assert total.count == len(expected) if total.is_exact else total.count <= len(expected)
    assert total.is_exact or few < 1000


def pages(wanted: InventoryFilter) -> list[list[object]]:
    """Return all pages, and check that each leads back to the one before."""
    keys, order = wanted.keys()
    rows, everything, among = keys.values_list("id", "name"), ApiKey.objects.all(), wanted.keys_of_a_page()[2]
    found: list[list[object]] = []
    after = None
    while True:
        page = keyset.page(rows, order, everything, after=after, before=None, size=7, among=among)
        if found:
            back = keyset.page(rows, order, everything, after=None, before=page.before, size=7, among=among)
            assert [row[0] for row in back.rows] == found[-1]
        found.append([row[0] for row in page.rows])
        after = page.after
        if after is None:
            return found


@in_one_test("asked", ["scope=read:users&scope=read:teams", f"owner={OWNER},{ADMIN}"])
def test_several_values_read_only_the_first_rows_of_each(many, monkeypatch, asked):
    """This keeps the cost the same at any size; `make bench` measures it."""
    monkeypatch.setattr(conditions, "FEW", 1)
    parts = chosen_by(asked).keys_of_a_page()[2]
    assert len(parts) == 2
    keys, order = chosen_by(asked).keys()
    with CaptureQueriesContext(connection) as statements:
        keyset.page(keys.values_list("id"), order, ApiKey.objects.all(), after=None, before=None, among=parts)
    assert all("LIMIT 51" in statement["sql"] for statement in statements if "ORDER BY" in statement["sql"])


def test_a_total_that_is_not_counted_to_its_end_says_so(many, monkeypatch):
    assert chosen_by("").total().label == "60 API keys"
    monkeypatch.setattr(totals, "LIMIT", 50)
    assert chosen_by("").total().label == "more than 50 API keys"
    monkeypatch.setattr(conditions, "FEW", 5)
    assert chosen_by("status=active").total().label == "more than 5 API keys"
    assert chosen_by("status=pending").total().label == "0 API keys"
    monkeypatch.setattr(totals, "EXAMINED", 20)
    assert chosen_by("status=active&origin=generated").total().label == "at least 20 API keys"


def chosen_by(query: str) -> InventoryFilter:
    wanted = InventoryFilter(QueryDict(query))
    assert wanted.is_valid(), wanted.reasons()
    return wanted
