"""Test the page API keys: its table, labels, hidden rows, empty states and number of queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import a_key
from tests.pages.helpers import (
    HTMX,
    attribute,
    details,
    elements,
    events,
    links,
    many_keys,
    names,
    queries,
    rows,
    text,
    the,
    words,
)
from tests.support.cases import in_one_test

COLUMNS = [
    "Name",
    "Accountable",
    "Owner",
    "Scopes",
    "Created on",
    "Expires",
    "Last used",
    "Status",
    "More options",
]


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_the_table_has_these_columns_and_every_row_its_menu(admin, cast):
    key = a_key(cast.owner, name="Payroll", scopes=["read:users", "read:items", "write:automations"])
    response = admin.get("/keys/")
    [row] = rows(response)
    assert list(row) == ["", *COLUMNS]
    assert row["Name"] == "Payroll"
    assert row["Owner"] == "Owner Person owner@contenzilla.example"
    assert row["Scopes"].startswith("Read users, Read items")
    assert row["Last used"] == "Never"
    assert row["Status"] == "Active"
    menu = the(response, "button", class_="menu")
    assert attribute(menu, "aria-label") == "More options for Payroll"
    assert attribute(menu, "popovertarget") == f"menu-{key.pk}"
    assert links(response)["API key settings"] == f"/keys/{key.pk}/?back=%2Fkeys%2F"
    assert links(response)["Delete API key"] == f"/keys/{key.pk}/delete/?back=%2Fkeys%2F"


def test_it_is_a_tab_of_the_workspace_configuration_with_a_way_to_generate(admin):
    response = admin.get("/keys/")
    assert words(the(response, "h1")) == "API keys"
    assert {"Dashboard", "Activity", "Settings", "General", "API keys", "Roles"} <= links(response).keys()
    current = [words(link) for link in elements(response, "a", aria_current="page")]
    assert current == ["API keys", "API keys", "All keys"]
    assert links(response)["Generate API key"] == "/keys/new/"


@in_one_test(
    "columns, said",
    [
        ({"state": State.HELD}, "Active"),
        ({"state": State.CLAIMED}, "Active storage unconfirmed"),
        ({"state": State.READY}, "Active storage unconfirmed"),
        ({"state": State.REQUESTED, "cerby_id": None}, "Pending"),
        ({"state": State.IN_DOUBT, "cerby_id": None}, "Pending answer lost"),
        ({"state": State.REVOKING}, "Removed removal unconfirmed"),
        ({"state": State.REVOKED, "removed_at": timezone.now()}, "Removed"),
        ({"expires_at": timezone.now() - timedelta(hours=1)}, "Expired"),
    ],
)
def test_each_status_and_its_caveat(admin, cast, columns, said):
    a_key(cast.owner, **columns)
    [row] = rows(admin.get("/keys/"))
    assert row["Status"] == said


@pytest.mark.parametrize("state", [State.REFUSED, State.ABSENT])
def test_failed_keys_are_hidden_unless_asked_for(admin, cast, state):
    a_key(cast.owner, name="Never made", state=state, cerby_id=None)
    assert names(admin.get("/keys/")) == []
    response = admin.get("/keys/?status=failed")
    assert names(response) == ["Never made"]
    assert rows(response)[0]["Status"] == "Failed"


def test_a_name_is_text_and_never_markup(admin, cast):
    a_key(cast.owner, name="<script>alert(1)</script>")
    response = admin.get("/keys/")
    assert names(response) == ["<script>alert(1)</script>"]
    assert b"<script>alert" not in response.content


def test_an_empty_inventory_shows_the_first_steps(admin):
    assert "No API keys yet" in text(admin.get("/keys/"))
    assert "Generate API key" in links(admin.get("/keys/"))


def test_no_match_offers_all_keys(admin, cast):
    a_key(cast.owner)
    response = admin.get("/keys/?status=pending")
    assert response.status_code == 200
    assert "No API key matches" in text(response)
    assert links(response)["Show all keys"] == "/keys/"


def test_a_user_sees_their_own_keys_and_no_others(browser_of, cast):
    a_key(cast.user, name="Mine")
    a_key(cast.owner, name="Not mine")
    browser = browser_of("user")
    response = browser.get("/keys/")
    assert names(response) == ["Mine"]
    assert "These are the API keys that you own." in text(response)
    assert names(browser.get("/keys/?owner=owner@contenzilla.example")) == []
    assert names(browser.get("/keys/?q=Not mine")) == []


def test_a_user_without_keys_sees_the_allowed_roles_and_contacts(browser_of):
    response = browser_of("user").get("/keys/")
    assert response.status_code == 403
    assert "Owner, Super Admin, Admin" in text(response)
    assert "owner@contenzilla.example" in text(response)
    [refused] = events(outcome="refused")
    assert refused.actor_email == "user@contenzilla.example"
    assert refused.details == {"action": "inventory:see"}


def test_htmx_gets_the_table_alone(admin, cast):
    a_key(cast.owner, name="Payroll")
    page, part = admin.get("/keys/"), admin.get("/keys/", headers=HTMX)
    assert names(part) == names(page) == ["Payroll"]
    assert elements(page, "h1")
    assert not elements(part, "h1")
    assert attribute(elements(part)[0], "id") == "table"
    assert "HX-Request" in page["Vary"]
    assert "HX-Request" in part["Vary"]


def test_times_are_in_the_readers_zone_and_exact_on_hover(admin, cast):
    a_key(cast.owner, created_at=datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    admin.cookies["portal-tz"] = "Europe/Berlin"
    response = admin.get("/keys/")
    assert rows(response)[0]["Created on"] == "1 Jul 2026"
    created = elements(response, "time")[0]
    assert attribute(created, "title") == "1 July 2026, 01:30:00 CEST"
    assert attribute(created, "datetime") == "2026-07-01T01:30:00+02:00"
    admin.cookies["portal-tz"] = "America/New_York"
    assert rows(admin.get("/keys/"))[0]["Created on"] == "30 Jun 2026"


def test_a_key_that_was_never_used_has_no_time_of_use(admin, cast):
    a_key(cast.owner, last_used_at=None)
    response = admin.get("/keys/")
    assert rows(response)[0]["Last used"] == "Never"
    assert "Never" not in [words(time) for time in elements(response, "time")]


@in_one_test(
    "zone",
    ["", "Mars/Olympus", "../../../etc/passwd", "/etc/passwd", "Europe", "a" * 5000, "%00", "é", "zone.tab"],
)
def test_a_damaged_zone_cookie_means_utc(admin, cast, zone):
    a_key(cast.owner, created_at=datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    admin.cookies["portal-tz"] = zone
    response = admin.get("/keys/")
    assert response.status_code == 200
    assert rows(response)[0]["Created on"] == "30 Jun 2026"


def test_fifty_rows_cost_as_many_queries_as_one(admin, cast):
    a_key(cast.owner, name="First")
    one = queries(admin, "/keys/")
    many_keys(cast.admin, 49, name="Other")
    assert len(rows(admin.get("/keys/"))) == 50
    assert queries(admin, "/keys/") == one


def test_a_key_that_expires_today_stands_out(admin, cast, settings):
    """At any time of day: the rest of the day belongs to the reader's time zone."""
    now = timezone.now()
    zone = next(name for name in ("UTC", "Pacific/Kiritimati") if now.astimezone(ZoneInfo(name)).hour < 22)
    admin.cookies[settings.TIME_ZONE_COOKIE_NAME] = zone
    a_key(cast.owner, name="Today", expires_at=now + timedelta(hours=1))
    a_key(cast.owner, name="Tomorrow", expires_at=now + timedelta(hours=25))
    a_key(cast.owner, name="Over", expires_at=now - timedelta(minutes=1))
    shown = {row["Name"]: row["Expires"] for row in rows(admin.get("/keys/"))}
    assert shown["Today"].endswith(" today")
    assert "today" not in shown["Tomorrow"] + shown["Over"]
    today = ApiKey.objects.get(name="Today")
    assert "today" in details(admin.get(f"/keys/{today.pk}/"))["Expires"]
    assert names(admin.get("/keys/?expires=1")) == ["Today"]


@in_one_test("page", ["/keys/", "/keys/past/", "/keys/mine/", "/keys/{}/", "/keys/{}/correct/"])
def test_a_key_that_never_expires_breaks_no_page(admin, cast, page):
    """9999-12-31 means never in many systems, and is in the year 10000 elsewhere."""
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    key = a_key(cast.admin, cerby_id=None, origin="declared", expires_at=never, last_used_at=never)
    admin.cookies["portal-tz"] = "Asia/Tokyo"
    assert admin.get(page.format(key.pk)).status_code == 200


def test_a_scope_that_no_database_can_store_is_refused(admin):
    assert admin.get("/keys/?scope=%00").status_code == 422
