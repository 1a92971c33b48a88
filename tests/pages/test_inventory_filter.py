"""API keys: search, each filter, each order, and every page of it; all of that in the address."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import chain

import pytest
from django.utils import timezone

from keys.lifecycle import State
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

NOW = timezone.now()


def days(count: float):
    return NOW + timedelta(days=count)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def some_keys(cast):
    """One key of each kind, named after what it is for a filter."""
    used = {"last_used_at": days(-1)}
    a_key(cast.owner, name="Ärger in week", expires_at=days(5), scopes=["read:users"], **used)
    a_key(cast.admin, name="In month", expires_at=days(25), scopes=["read:users", "read:teams"], **used)
    a_key(cast.admin, name="In quarter", expires_at=days(80), scopes=["write:automations"])
    a_key(cast.super_admin, name="In year", expires_at=days(300), state=State.CLAIMED, **used)
    a_key(cast.owner, name="Over", created_at=days(-9), expires_at=days(-1), **used)
    a_key(cast.owner, name="Gone", state=State.REVOKED, removed_at=NOW, expires_at=days(4))
    a_key(cast.owner, name="Waiting", state=State.REQUESTED, cerby_id=None, expires_at=days(6))
    a_key(cast.owner, name="Failed", state=State.REFUSED, cerby_id=None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=active", {"Ärger in week", "In month", "In quarter", "In year"}),
        ("status=expired", {"Over"}),
        ("status=removed", {"Gone"}),
        ("status=pending", {"Waiting"}),
        ("status=failed", {"Failed"}),
        ("status=unconfirmed", {"In year"}),
        ("status=never-used", {"In quarter"}),
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
        ("q=in_", set()),
        ('q=" OR 1', set()),
        ("q=month&owner=owner@contenzilla.example", set()),
        ("q=person&status=active&expires=30", {"Ärger in week", "In month"}),
    ],
)
def test_filters_find_exactly(admin, some_keys, query, found):
    assert set(names(admin.get(f"/keys/?{query}"))) == found


@pytest.mark.parametrize("typed", ["a", "ab"])
def test_a_search_that_is_too_short_is_explained_beside_the_field(admin, cast, typed):
    response = admin.get(f"/keys/?q={typed}")
    assert response.status_code == 422
    assert "3 characters" in reason_beside(response, "id_q")
    assert attribute(the(response, id="id_q"), "value") == typed


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense", "scope=read:everything", "expires=12", "sort=colour", "sort=--name", "after=1",
        "after=%00", "before=zzz", "after=../../etc", "owner=" + "a" * 300, "q=" + "a" * 300, "q=%00abc",
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
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


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("sign", ["", "-"])
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
