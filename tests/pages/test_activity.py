"""Test the page Activity: its rows, filters, pages and download."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import AuditEvent
from keys.selectors.activity.filters import ActivityFilter
from keys.selectors.inventory.conditions import FEW
from keys.selectors.inventory.keyset import order_by
from tests import cast as people
from tests.cast import a_key, a_live_key
from tests.pages.helpers import (
    HTMX,
    attribute,
    csv_rows,
    elements,
    events,
    links,
    many_keys,
    queries,
    reason_beside,
    rows,
    text,
    the,
    walk_pages,
    within,
    words,
)
from tests.pages.journey import viewed
from tests.support.cases import in_one_test

JULY = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def an_event(**columns) -> None:
    people.an_event(**{"at": JULY} | columns).save()


def whats(response) -> list[str]:
    return [row["What"] for row in rows(response)] if elements(response, "tbody") else []


def test_a_row_shows_all_columns_of_an_event(admin):
    viewed(admin, name="Payroll")
    response = admin.get("/activity/")
    assert words(the(response, "h1")) == "Activity"
    newest = rows(response)[0]
    assert list(newest) == ["When", "Who", "What", "API key", "From", "Outcome", "Reason and details"]
    assert newest["What"] == "API key requested, generated and viewed"
    assert newest["Who"] == "Admin Person admin@contenzilla.example · Admin"
    assert newest["API key"] == "Payroll"
    assert newest["From"] == "Chrome on Linux 127.0.0.1"
    assert newest["Outcome"].lower() == "done"
    steps = [words(step).partition(" 20")[0] for step in within(the(response, "details", class_="act"), "a")]
    assert steps == ["API key viewed", "API key generated", "Asked Cerby for the key", "API key requested"]


def test_refused_attempts_exports_sign_ins_and_sign_outs_are_there(admin, browser_of, cast):
    browser_of("user").get("/settings/")
    csv_rows(admin.get("/keys/export/"))
    csv_rows(admin.get("/activity/export/"))
    browser = people.signed_in(None)
    browser.post("/accounts/login/", {"login": "owner@contenzilla.example", "password": people.PASSWORD})
    browser.post("/accounts/logout/")
    shown = rows(admin.get("/activity/"))
    assert [row["What"] for row in shown] == [
        "Signed out", "Signed in", "Activity downloaded", "Inventory downloaded", "Attempt refused",
    ]  # fmt: skip
    assert shown[-1]["Outcome"].lower() == "refused"
    assert "may not see the workspace configuration" in shown[-1]["Reason and details"]


@pytest.fixture
def some_events(cast):
    key = a_key(cast.owner, name="Payroll")
    an_event(type="key:delete", key_id=key.pk, key_name="Payroll", actor_email="owner@contenzilla.example")
    an_event(type="key:reveal", outcome="refused", actor_email="user@contenzilla.example", ip="192.0.2.7")
    an_event(type="key:issue", outcome="failed", at=JULY + timedelta(days=1))
    an_event(type="inventory:export", at=JULY.replace(hour=23, minute=30))
    return key


@in_one_test(
    "query, found",
    [
        (
            "",
            {
                "API key deleted",
                "View of an API key refused",
                "API key not generated",
                "Inventory downloaded",
            },
        ),
        ("type=key:delete", {"API key deleted"}),
        ("outcome=refused", {"View of an API key refused"}),
        ("outcome=failed", {"API key not generated"}),
        ("actor=owner@contenzilla.example", {"API key deleted"}),
        ("actor= Owner@Contenzilla.example ", {"API key deleted"}),
        ("ip=192.0.2.7", {"View of an API key refused"}),
        ("ip=192.0.2.8", set()),
        ("owner=owner@contenzilla.example", {"API key deleted"}),
        ("owner=user@contenzilla.example", set()),
        ("since=2026-07-02", {"API key not generated"}),
        ("until=2026-07-01", {"API key deleted", "View of an API key refused", "Inventory downloaded"}),
        ("since=2026-07-02&until=2026-07-01", set()),
        ("type=key:delete&outcome=refused", set()),
    ],
)
def test_filters_find_exactly_and_the_csv_is_the_same_set(admin, some_events, query, found):
    response = admin.get(f"/activity/?{query}")
    assert response.status_code == 200
    assert set(whats(response)) == found
    download = admin.get(f"/activity/export/?{query}")
    header, *lines = csv_rows(download)
    assert {line[header.index("Event")] for line in lines} == found
    assert download["Export-Count"] == str(len(lines))
    if not found:
        assert "No event matches" in text(response)


def test_the_list_of_one_key_names_the_key(admin, some_events):
    page = admin.get(f"/activity/?key={some_events.pk}")
    assert whats(page) == ["API key deleted"]
    assert words(the(page, "h2")) == "Everything that happened to Payroll"


def test_the_list_of_one_person_names_the_person(admin, cast, some_events):
    page = admin.get("/activity/?actor=owner@contenzilla.example")
    assert words(the(page, "h2")) == "Everything that Owner Person did"
    assert links(page)["Owner Person"] == f"/people/{cast.owner.pk}/"


@in_one_test(
    "details, shown",
    [
        (
            {"before": ["read:users", "read:items"], "after": ["read:items", "read:teams"]},
            "scopes removed: Read users added: Read teams",
        ),
        ({"before": {"name": "Nightly"}, "after": {"name": "Weekly"}}, "name removed: Nightly added: Weekly"),
        (
            {"before": {"scopes": ["read:users"]}, "after": {"scopes": ["read:users", "read:teams"]}},
            "scopes added: Read teams",
        ),
        (
            {"before": {"cerby_id": None}, "after": {"cerby_id": "one"}},
            "Cerby's identifier added: one",
        ),
        (
            {"before": {"expires_at": "2026-07-01T12:00:00+00:00"}, "after": {"expires_at": None}},
            "expiry removed: 1 July 2026, 12:00:00 UTC",
        ),
    ],
)
def test_a_change_is_shown_as_removed_and_added_values(admin, details, shown):
    an_event(type="key:change", details=details)
    assert rows(admin.get("/activity/?type=key:change"))[0]["Reason and details"] == shown
    *_, line = csv_rows(admin.get("/activity/export/?type=key:change"))
    assert line[-1].replace("; scopes added", " added").replace("; name added", " added") == shown


PLANS = {
    "": "event_by_time",
    "actor=a@contenzilla.example": "event_by_actor",
    "key=00000000-0000-4000-8000-000000000000": "event_by_key",
    "type=key:delete": "event_by_type",
    "outcome=refused": "event_by_outcome",
    "ip=192.0.2.7": "event_by_ip",
    "since=2026-07-01&until=2026-07-02": "event_by_time",
}


def plan_of(events: QuerySet[AuditEvent]) -> str:
    """Return the query plan. PostgreSQL is told to prefer indexes, as it would with many rows."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for means in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{means} = off")
    return events.explain()


@in_one_test("query", PLANS)
def test_each_filter_walks_an_index_in_the_order_of_the_page(cast, query):
    wanted = ActivityFilter(QueryDict(query))
    assert wanted.is_valid()
    plan = plan_of(order_by(wanted.events(), wanted.order())[:50])
    assert PLANS[query] in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(("count", "index"), [(1, "event_by_key"), (FEW + 1, "event_by_time")])
def test_events_of_an_owner_are_found_by_key_if_there_are_few_keys(cast, count, index):
    many_keys(cast.admin, count)
    wanted = ActivityFilter(QueryDict(f"owner={cast.admin.email}"))
    assert wanted.is_valid()
    page = order_by(wanted.events(), wanted.order())[:50]
    assert index in (plan_of(page) if count > FEW else page.explain())


def test_a_day_is_a_day_in_the_readers_zone(admin, some_events):
    admin.cookies["portal-tz"] = "Europe/Berlin"
    assert set(whats(admin.get("/activity/?since=2026-07-02"))) == {
        "API key not generated",
        "Inventory downloaded",
    }
    assert "2 Jul 2026, 01:30" in [row["When"] for row in rows(admin.get("/activity/?type=inventory:export"))]


@in_one_test(
    "query",
    [
        "type=nonsense", "outcome=maybe", "key=1", "since=yesterday", "until=2026-02-30", "after=abc", "before=NaN",
        "after=1e51", "after=-1e9999999", "before=Infinity", "actor=%00", "until=9999-12-31", "since=0001-01-01",
        "after=" + "9" * 300, "ip=300.1.1.1", "ip=%00", "owner=%00",
    ],
)  # fmt: skip
@in_one_test("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_damaged_address_is_never_an_error_of_ours(admin, some_events, query, zone):
    admin.cookies["portal-tz"] = zone
    for url in ("/activity/", "/activity/export/"):
        response = admin.get(f"{url}?{query}")
        assert response.status_code in {200, 422}
        if response.status_code == 422 and url == "/activity/":
            assert "This filter cannot be used" in text(response)


@in_one_test("field, value", [("since", "yesterday"), ("type", "nonsense"), ("key", "1")])
def test_the_reason_is_beside_the_field(admin, field, value):
    response = admin.get(f"/activity/?{field}={value}")
    assert response.status_code == 422
    assert reason_beside(response, f"id_{field}")


def test_paging_shows_each_event_once_there_and_back(admin):
    AuditEvent.objects.bulk_create(
        people.an_event(at=JULY, type="key:call", reason=f"number {number}") for number in range(120)
    )
    there = [[row["Reason and details"] for row in rows(page)] for page in walk_pages(admin, "/activity/")]
    assert [len(page) for page in there] == [50, 50, 20]
    assert list(chain(*there)) == [f"number {number}" for number in reversed(range(120))]
    last = list(walk_pages(admin, "/activity/"))[-1]
    [previous] = elements(last, "a", rel="prev")
    back = walk_pages(admin, f"/activity/{attribute(previous, 'href')}", rel="prev")
    assert [[row["Reason and details"] for row in rows(page)] for page in back] == [there[1], there[0]]


def test_the_filter_stays_in_every_link(admin):
    for _ in range(51):
        an_event(outcome="refused")
    response = admin.get("/activity/?outcome=refused")
    assert "outcome=refused" in str(attribute(the(response, "a", rel="next"), "href"))
    assert links(response)["Download CSV"] == "/activity/export/?outcome=refused"


def test_the_csv_is_dated_in_utc_and_holds_no_formula(admin):
    an_event(reason="=cmd|' /C calc'!A0", browser="@SUM(1)", key_id=uuid.uuid4(), key_name="+1")
    admin.cookies["portal-tz"] = "Asia/Kolkata"
    response = admin.get("/activity/export/")
    assert response.streaming
    header, line = csv_rows(response)
    assert response["Content-Disposition"].startswith('attachment; filename="activity-everything-1-rows-20')
    cells = dict(zip(header, line, strict=True))
    assert cells["At (UTC)"] == "2026-07-01T12:00:00Z"
    assert (cells["Reason"], cells["Browser"]) == ("'=cmd|' /C calc'!A0", "'@SUM(1)")
    [event] = events(type="activity:export")
    assert people.said_by(event) == {"filter": "everything", "count": 1}


def test_htmx_gets_the_table_alone(admin, some_events):
    part = admin.get("/activity/", headers=HTMX)
    assert len(whats(part)) == 4
    assert not elements(part, "h1")
    assert "HX-Request" in part["Vary"]


def test_fifty_rows_cost_as_many_queries_as_one(admin, cast, sandbox):
    an_event()
    one = queries(admin, "/activity/")
    for _ in range(49):
        key, _ = a_live_key(sandbox, cast.owner)
        an_event(key_id=key.pk, key_name=key.name, actor_email="owner@contenzilla.example", at=timezone.now())
    assert len(whats(admin.get("/activity/"))) == 50
    assert queries(admin, "/activity/") == one
