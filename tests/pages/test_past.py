"""Test the inventory as of a past time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.audit import view_past
from keys.models import ApiKey
from tests.cast import a_key, an_event
from tests.pages.helpers import attribute, events, many_keys, names, rows, the, words

URL = "/keys/past/"
NOW = timezone.now()


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def history(cast):
    """A key that lost its write scope five days ago, one that was deleted then, and one made yesterday."""
    old = {"created_at": NOW - timedelta(days=30), "cerby_id": None, "origin": "declared"}
    narrowed = a_key(cast.owner, name="Narrowed", scopes=["read:users"], **old)
    an_event(
        type="key:rescope",
        key_id=narrowed.pk,
        key_name="Narrowed",
        at=NOW - timedelta(days=5),
        details={"before": ["read:users", "write:users"], "after": ["read:users"]},
    ).save()
    a_key(
        cast.admin,
        name="Gone",
        scopes=["write:users"],
        state="revoked",
        removed_at=NOW - timedelta(days=5),
        **old,
    )
    a_key(cast.admin, name="Young", scopes=["write:users"], created_at=NOW - timedelta(days=1))


def at(days_ago: float) -> str:
    return f"{NOW - timedelta(days=days_ago):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("days_ago", "query", "found"),
    [
        (6, "scope=write", {"Narrowed", "Gone"}),
        (6, "scope=write&status=active", {"Narrowed", "Gone"}),
        (6, "scope=write&owner=owner@contenzilla.example", {"Narrowed"}),
        (6, "q=narr", {"Narrowed"}),
        (4, "scope=write&status=active", set()),
        (4, "status=removed", {"Gone"}),
        (0.5, "scope=write&status=active", {"Young"}),
        (60, "", set()),
    ],
)
def test_it_answers_who_had_write_access_on_a_day(admin, history, days_ago, query, found):
    response = admin.get(f"{URL}?at={at(days_ago)}&{query}")
    assert response.status_code == 200
    assert set(names(response)) == found


def test_a_row_shows_the_values_of_that_time(admin, history):
    [row] = rows(admin.get(f"{URL}?at={at(6)}&q=narrowed"))
    assert row["Scopes"] == "Read users, Write users"
    assert row["Status"] == "Active"
    [event] = events(type="inventory:search")
    assert "as of" in event.personal["details.filter"]


def test_pages_show_each_key_once_and_a_page_reads_a_bounded_number(admin, cast, monkeypatch):
    many_keys(cast.owner, 60, created_at=NOW - timedelta(days=9))
    first = admin.get(f"{URL}?at={at(1)}")
    second = admin.get(URL + str(attribute(the(first, "a", rel="next"), "href")))
    assert len(names(first)) == 50
    assert len({*names(first), *names(second)}) == 60
    monkeypatch.setattr(view_past, "MOST_PAGES", 0)
    none = admin.get(f"{URL}?at={at(1)}")
    assert names(none) == []
    assert the(none, "a", rel="next")


@pytest.mark.parametrize("query", ["at=yesterday", "at=2999-01-01T00:00", "status=odd", "after=1"])
def test_a_damaged_address_is_refused(admin, query):
    assert admin.get(f"{URL}?{query}").status_code == 422


def test_the_inventory_leads_to_it_with_its_filters(admin, cast):
    a_key(cast.owner)
    link = the(admin.get("/keys/?scope=write"), "a", href=f"{URL}?scope=write")
    assert words(link) == "As of a date"
    assert ApiKey.objects.count() == 1
