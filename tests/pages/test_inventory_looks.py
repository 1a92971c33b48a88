"""Test that views of the inventory are recorded, and that repeated views are recorded once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.cast import a_key, an_event, said_by, signed_in
from tests.pages.helpers import HTMX, events, many_keys, walk_pages


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def looks() -> list[tuple[str, dict]]:
    return [(event.type, said_by(event)) for event in events(type__startswith="inventory:")]


def test_paging_sorting_and_reloading_are_one_view(admin, cast):
    many_keys(cast.owner, 60)
    pages = list(walk_pages(admin, "/keys/"))
    assert len(pages) == 2
    for query in ("?sort=name", ""):
        assert admin.get(f"/keys/{query}").status_code == 200
    assert looks() == [("inventory:view", {})]
    [event] = events(type="inventory:view")
    assert (event.actor_email, event.ip, event.browser) == (cast.admin.email, "127.0.0.1", "Chrome on Linux")


def test_each_search_is_recorded_separately(admin, cast):
    for query in (
        "q=payroll",
        "q=payroll&sort=name",
        "q=payroll&status=active",
        "owner=ada@contenzilla.example",
    ):
        admin.get(f"/keys/?{query}", headers=HTMX)
    assert looks() == [
        ("inventory:search", {"filter": "q=payroll"}),
        ("inventory:search", {"filter": "q=payroll, status=active"}),
        ("inventory:search", {"filter": "owner=ada@contenzilla.example"}),
    ]


def test_another_person_and_another_browser_are_recorded_separately(admin, cast, browser_of):
    browser_of("owner").get("/keys/")
    admin.get("/keys/")
    admin.get("/keys/", headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"})
    assert len(looks()) == 3


@pytest.mark.parametrize(("minutes", "count"), [(14, 1), (16, 2)])
def test_after_fifteen_minutes_it_is_recorded_again(cast, minutes, count):
    an_event(
        at=timezone.now() - timedelta(minutes=minutes), type="inventory:view",
        actor_email=cast.admin.email, ip="127.0.0.1", browser="Chrome on Linux",
    ).save()  # fmt: skip
    signed_in(cast.admin).get("/keys/")
    assert len(looks()) == count


def test_views_of_own_keys_only_are_recorded_too(browser_of, cast):
    a_key(cast.user)
    browser_of("user").get("/keys/")
    assert looks() == [("inventory:view", {})]


def test_refused_and_invalid_requests_are_not_recorded_as_views(admin, browser_of, cast):
    assert admin.get("/keys/?q=a").status_code == 422
    assert browser_of("guest").get("/keys/").status_code == 403
    assert looks() == []


def test_no_event_no_page(admin, fill_the_disk):
    fill_the_disk()
    with pytest.raises(IntegrityError), transaction.atomic():
        admin.get("/keys/")
