"""Test search, filters, sort orders and paging of the page API keys, all through the URL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, time, timedelta
from itertools import chain

import pytest
from django.utils import timezone

from keys.rules.lifecycle import State
from tests.cast import a_key
from tests.pages.helpers import (
    HTMX,
    attribute,
    elements,
    links,
    many_keys,
    names,
    reason_beside,
    rows,
    text,
    the,
    walk_pages,
    words,
)
from tests.support.cases import in_one_test

NOW = timezone.now()


def days(count: float):
    return NOW + timedelta(days=count)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def some_keys(cast):
    """Create one key for each filter value, named after it."""
    used = {"last_used_at": days(-1)}
    a_key(cast.owner, name="Ärger in week", expires_at=days(5), scopes=["read:users"], **used)
    a_key(cast.admin, name="In month", expires_at=days(25), scopes=["read:users", "read:teams"], **used)
    a_key(cast.admin, name="In quarter", expires_at=days(80), scopes=["write:automations"])
    a_key(cast.super_admin, name="In year", expires_at=days(300), state=State.CLAIMED, **used)
    a_key(cast.owner, name="Over", created_at=days(-9), expires_at=days(-1), **used)
    a_key(cast.owner, name="Gone", state=State.REVOKED, removed_at=NOW, expires_at=days(4))
    a_key(cast.owner, name="Waiting", state=State.REQUESTED, cerby_id=None, expires_at=days(6))
    a_key(cast.owner, name="Failed", state=State.REFUSED, cerby_id=None)


@pytest.fixture
def keys_that_need_attention(cast):
    """Create one key for each reason, and one that just does not meet it."""
    over, old = {"created_at": days(-200), "expires_at": days(-1)}, {"created_at": days(-100)}
    discovered = {"origin": "discovered", "purpose": "", "last_used_at": NOW}
    a_key(cast.owner, name="Unknown purpose", **discovered)
    a_key(cast.owner, name="Adopted", **discovered | {"purpose": "Exports the payroll."})
    a_key(cast.owner, name="Unknown and over", **discovered, **over)
    a_key(cast.owner, name="Missing", missing_since=NOW, last_used_at=NOW)
    a_key(cast.owner, name="Missing and over", missing_since=NOW, **over)
    a_key(cast.owner, name="Left", owner_left_at=NOW, last_used_at=NOW)
    a_key(cast.owner, name="Left and over", owner_left_at=NOW, **over)
    a_key(cast.owner, name="Quiet", last_used_at=days(-91), **old)
    a_key(cast.owner, name="Quieter now", last_used_at=days(-46), **old)
    a_key(cast.owner, name="Heard", last_used_at=days(-44), **old)
    a_key(cast.owner, name="Never heard", **old)
    a_key(cast.owner, name="New")
    a_key(cast.owner, name="Stuck", state=State.REVOKING, attempts=6)
    a_key(cast.owner, name="By hand", state=State.REVOKING, cerby_id=None, origin="declared")
    a_key(cast.owner, name="On its way", state=State.REVOKING, attempts=5)


@in_one_test(
    "query, found",
    [
        ("needs=not-adopted", {"Unknown purpose"}),
        ("needs=missing", {"Missing"}),
        ("needs=owner-left", {"Left"}),
        ("needs=unused-90", {"Quiet", "Never heard"}),
        ("needs=unused-45", {"Quiet", "Quieter now", "Never heard"}),
        ("needs=never-used", {"Never heard", "New"}),
        ("needs=removal-stuck", {"Stuck", "By hand"}),
        ("origin=discovered", {"Unknown purpose", "Adopted", "Unknown and over"}),
        ("origin=declared&needs=removal-stuck", {"By hand"}),
    ],
)
def test_the_attention_filter_finds_exactly_its_keys(admin, keys_that_need_attention, query, found):
    assert set(names(admin.get(f"/keys/?{query}"))) == found


def test_the_table_shows_what_needs_attention(admin, keys_that_need_attention):
    said = {row["Name"]: row["Status"] for row in rows(admin.get("/keys/"))}
    assert said["Unknown purpose"] == "Active not adopted"
    assert said["Missing"] == "Active missing in Cerby"
    assert said["Left"] == "Active owner left"
    assert said["Adopted"] == said["Quiet"] == "Active"
    assert said["Missing and over"] == said["Left and over"] == said["Unknown and over"] == "Expired"


def test_the_keys_of_one_day_have_a_url_that_names_the_day(admin, cast):
    day = (NOW + timedelta(days=40)).date()
    first, after = (datetime.combine(day + timedelta(days=n), time.min, tzinfo=UTC) for n in (0, 1))
    last = after - timedelta(microseconds=1)
    a_key(cast.owner, name="Before", expires_at=first - timedelta(microseconds=1))
    a_key(cast.owner, name="First", expires_at=first)
    a_key(cast.owner, name="Last", expires_at=last)
    a_key(cast.owner, name="After", expires_at=after)
    response = admin.get(f"/keys/?expires={day}")
    assert names(response) == ["First", "Last"]
    chosen = the(response, "option", value=str(day), selected=None)
    assert words(chosen) == f"on {day.day} {day:%b %Y} (UTC)"
    assert names(admin.get("/keys/?expires=2000-01-01")) == []


@in_one_test(
    "query, found",
    [
        ("status=active", {"Ärger in week", "In month", "In quarter", "In year"}),
        ("status=expired", {"Over"}),
        ("status=removed", {"Gone"}),
        ("status=pending", {"Waiting"}),
        ("status=failed", {"Failed"}),
        ("needs=unconfirmed", {"In year"}),
        ("needs=never-used", {"In quarter"}),
        ("scope=read:teams", {"In month"}),
        ("scope=write:automations", {"In quarter"}),
        ("owner=admin@contenzilla.example", {"In month", "In quarter"}),
        ("owner= ADMIN@contenzilla.example ", {"In month", "In quarter"}),
        ("expires=7", {"Ärger in week"}),
        ("expires=30", {"Ärger in week", "In month"}),
        ("expires=90", {"Ärger in week", "In month", "In quarter"}),
        ("q=month", {"In month"}),
        ("q=MONTH", {"In month"}),
        ("q=ärger", {"Ärger in week"}),
        ("q=super person", {"In year"}),
        ("q=super-admin@conten", {"In year"}),
        ("q=100%25", set()),
        ("q=in_", {"Ärger in week", "In month", "In quarter", "In year"}),
        ('q=" OR 1', set()),
        ("q=month&owner=owner@contenzilla.example", set()),
        ("q=person&status=active&expires=30", {"Ärger in week", "In month"}),
    ],
)
def test_filters_find_exactly(admin, some_keys, query, found):
    assert set(names(admin.get(f"/keys/?{query}"))) == found


@pytest.mark.parametrize("typed", ["a", "é", "a b", "-_."])
def test_a_search_that_is_too_short_is_explained_beside_the_field(admin, cast, typed):
    response = admin.get(f"/keys/?q={typed}")
    assert response.status_code == 422
    assert "a word of at least 2 characters" in reason_beside(response, "id_q")
    assert attribute(the(response, id="id_q"), "value") == typed


@in_one_test(
    "query",
    [
        "status=nonsense", "needs=love", "origin=eden", "expires=2026-02-30", "expires=3000-01-01",
        "scope=read:everything", "expires=12", "sort=colour", "sort=--name", "after=1",
        "after=%00", "before=zzz", "after=../../etc", "owner=" + "a" * 300, "q=" + "a" * 300, "q=%00abc",
    ],
)  # fmt: skip
@in_one_test("headers", [{}, HTMX])
def test_a_damaged_address_is_refused_with_a_reason(admin, some_keys, query, headers):
    response = admin.get(f"/keys/?{query}", headers=headers)
    assert response.status_code == 422
    assert "This filter cannot be used" in text(response)
    assert len(words(the(response, "div", class_="empty"))) > len("This filter cannot be used Show all keys")
    assert names(response) == []


def test_a_place_that_is_no_more_is_the_first_page(admin, some_keys):
    response = admin.get(f"/keys/?after={uuid.uuid4()}")
    assert len(rows(response)) == 7


SORTS = {
    "name": lambda key: key.name.lower(),
    "owner": lambda key: key.owner_name.lower(),
    "scopes": lambda key: len(key.scopes),
    "created": lambda key: key.created_at,
    "expires": lambda key: key.expires_at,
    "last-used": lambda key: (key.last_used_at is not None, key.last_used_at or NOW),
    "status": lambda key: (key.phase, key.expires_at),
}


@in_one_test("sort", SORTS)
@in_one_test("sign", ["", "-"])
def test_each_order_is_that_of_a_plain_sort(admin, cast, sort, sign):
    keys = [
        a_key(
            [cast.owner, cast.admin, cast.super_admin][number % 3],
            name=f"{'kK'[number % 2]}ey {number * 7 % 13:02}",
            scopes=["read:users", "read:items", "read:teams", "write:users"][: 1 + number % 4],
            created_at=days(-1 - number * 5 % 7),
            expires_at=days(1 + number * 3 % 11),
            last_used_at=days(-number) if number % 3 else None,
            state=[State.HELD, State.REVOKING][number % 2],
        )
        for number in range(12)
    ]
    expected = sorted(keys, key=lambda key: (SORTS[sort](key), key.pk), reverse=sign == "-")
    response = admin.get(f"/keys/?sort={sign}{sort}")
    assert names(response) == [key.name for key in expected]
    [header] = elements(response, "th", aria_sort="descending" if sign else "ascending")
    assert words(header).lower().startswith(sort.replace("-", " "))


@pytest.mark.parametrize("sort", ["-created", "name"])
def test_paging_over_equal_values_shows_each_key_once_there_and_back(admin, cast, sort):
    gone = {"state": State.REVOKED, "removed_at": NOW}
    keys = many_keys(cast.owner, 120, numbered=False, name="Same", **gone)
    pages = list(walk_pages(admin, f"/keys/?sort={sort}"))
    there = [ids_of(page) for page in pages]
    assert [len(page) for page in there] == [50, 50, 20]
    assert sorted(chain(*there)) == sorted(str(key.pk) for key in keys)
    [previous] = elements(pages[-1], "a", rel="prev")
    back = [ids_of(page) for page in walk_pages(admin, f"/keys/{attribute(previous, 'href')}", rel="prev")]
    assert back == [there[1], there[0]]


def ids_of(page) -> list[str]:
    cells = [link for header in elements(page, "th", scope="row") for link in header.children]
    return [str(attribute(link, "href")).split("/")[2] for link in cells]


def test_the_state_is_in_every_link(admin, cast):
    many_keys(cast.owner, 51, name="Robot")
    response = admin.get("/keys/?q=robot&status=active&sort=-expires")
    onward = str(attribute(the(response, "a", rel="next"), "href"))
    for part in ("q=robot", "status=active", "sort=-expires", "after="):
        assert part in onward
    assert links(response)["Name"] == "?q=robot&status=active&sort=name"
    assert links(response)["Expires"] == "?q=robot&status=active&sort=expires"
    assert links(response)["Download CSV"] == "/keys/export/?q=robot&status=active&sort=-expires"
    chosen = the(response, "option", value="active", selected=None)
    assert words(chosen) == "Active"
    assert attribute(the(response, id="id_q"), "value") == "robot"


def test_it_works_without_javascript(admin, some_keys):
    response = admin.get("/keys/")
    form = the(response, "form", role="search")
    assert (attribute(form, "method"), attribute(form, "action")) == ("get", "/keys/")
    for link in elements(response, "a"):
        fetched = attribute(link, "hx-get")
        assert fetched is None or fetched == attribute(link, "href")


@pytest.mark.parametrize("typed", ["Übung", "übung", "ÜBUNG"])
def test_common_text_is_found_in_any_case_as_rare_text_is(admin, cast, typed):
    many_keys(cast.owner, 510, name="Übung")
    assert len(names(admin.get(f"/keys/?q={typed}"))) == 50


def test_the_filter_that_no_key_matches_is_told_in_words(browser_of, cast):
    a_key(cast.user)
    page = browser_of("admin").get("/keys/?q=Nowhere&status=pending&needs=orphan")
    assert "matches “search: Nowhere, status: Pending, needs attention: Nobody answers for it”" in text(page)
