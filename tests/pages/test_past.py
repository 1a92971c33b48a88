"""Test the inventory as of a past time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.audit import view_past
from keys.models import ApiKey
from tests.cast import a_key, an_event
from tests.pages.helpers import (
    attribute,
    csv_rows,
    elements,
    events,
    many_keys,
    names,
    rows,
    text,
    the,
    words,
)
from tests.support.cases import in_one_test

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


@in_one_test(
    "days_ago, query, found",
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


@pytest.fixture
def described(cast):
    """Keys with every value that a filter asks for; the owner of one has got another role and address since."""
    old = {"created_at": NOW - timedelta(days=30), "expires_at": NOW + timedelta(days=300)}
    ada = {"id": str(cast.admin.pk), "email": cast.admin.email}
    made = a_key(cast.owner, name="Described", scopes=["read:users"], **old)
    values = {"accountable": ada, "backup": ada, "team": "Pay", "system": "ERP", "kind": "agent"}
    values |= {
        "environment": "production",
        "tags": ["night"],
        "review_on": f"{NOW - timedelta(days=9):%Y-%m-%d}",
    }
    nothing = dict.fromkeys(("accountable", "backup", "review_on")) | {"tags": []}
    nothing |= dict.fromkeys(("team", "system", "kind", "environment"), "")
    tell = {"key_id": made.pk, "key_name": "Described", "type": "key:edit"}
    an_event(**tell, at=NOW - timedelta(days=10), details={"before": nothing, "after": values}).save()
    an_event(**tell, at=NOW - timedelta(days=2), details={"before": values, "after": nothing}).save()
    a_key(cast.user, name="Soon", **old | {"expires_at": NOW + timedelta(days=1)}, accountable=cast.admin)
    a_key(cast.guest, name="Found", origin="discovered", purpose="", **old, accountable=cast.admin)
    a_key(cast.user, name="Young", **old | {"created_at": NOW - timedelta(days=4)}, accountable=cast.admin)
    earlier = {"before": {"role": "Admin"}, "after": {"role": "Owner"}, "email": "user@old.example"}
    an_event(type="person:change", at=NOW - timedelta(days=2), details=earlier | {"person": "0"}).save()
    changes = {"role": "Owner", "email": "user@old.example", "in the workspace": "no"}
    after = {"role": "User", "email": cast.user.email, "in the workspace": "yes"}
    details = {"person": str(cast.user.pk), "email": cast.user.email, "before": changes, "after": after}
    an_event(type="person:change", at=NOW - timedelta(days=1), details=details).save()


@in_one_test(
    "query, found",
    [
        ("accountable=admin@contenzilla.example&team=pay", {"Described"}),
        ("backup=admin@contenzilla.example", {"Described"}),
        ("system=erp&kind=agent&environment=production&tag=Night", {"Described"}),
        ("kind=vendor", set()),
        ("expires=7", {"Soon"}),
        (f"expires={NOW + timedelta(days=1):%Y-%m-%d}", {"Soon"}),
        ("needs=review-due&needs=not-adopted", {"Described", "Found"}),
        ("needs=owner-left", {"Soon", "Young"}),
        ("needs=orphan", set()),
        ("role=40", {"Soon", "Young"}),
        ("role=60", {"Described"}),
        ("owner=user@old.example", {"Soon", "Young"}),
        ("made=7", {"Young"}),
        (f"made={NOW - timedelta(days=4):%Y-%m-%d}..{NOW:%Y-%m-%d}", {"Young"}),
        ("removed=30", set()),
        ("origin=discovered", {"Found"}),
    ],
)
def test_it_has_the_filters_of_the_inventory_and_the_csv_is_the_same_set(admin, described, query, found):
    response = admin.get(f"{URL}?at={at(3)}&{query}")
    assert set(names(response)) == found
    link = next(one for one in elements(response, "a") if words(one) == "Download CSV")
    header, *lines = csv_rows(admin.get(str(attribute(link, "href"))))
    assert {line[header.index("Name")] for line in lines} == found
    [event] = events(type="inventory:export")
    assert "as of" in event.personal["details.filter"]


def test_a_need_that_the_log_does_not_tell_is_refused_with_a_reason(admin):
    response = admin.get(f"{URL}?needs=unused-90")
    assert response.status_code == 422
    assert "does not tell this for a past time" in text(response)


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


@in_one_test("query", ["at=yesterday", "at=2999-01-01T00:00", "status=odd", "after=1"])
def test_a_damaged_address_is_refused(admin, query):
    assert admin.get(f"{URL}?{query}").status_code == 422


def test_the_inventory_leads_to_it_with_its_filters(admin, cast):
    a_key(cast.owner)
    link = the(admin.get("/keys/?scope=write"), "a", href=f"{URL}?scope=write")
    assert words(link) == "As of a date"
    assert ApiKey.objects.count() == 1
