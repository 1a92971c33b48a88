"""Dashboard: counts that lead to what was counted, and the newest activity."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.lifecycle import State
from keys.models import AuditEvent
from tests.cast import a_key, an_event
from tests.pages.helpers import elements, many_keys, names, queries, text, the, walk_pages, words
from tests.pages.journey import viewed

NOW = timezone.now()
USED = {"last_used_at": NOW}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def figures(response) -> dict[str, tuple[int, str]]:
    """Each number's label, the number, and where it leads."""
    found = {}
    for link in elements(response, "a"):
        number, _, label = words(link).partition(" ")
        if number.replace(",", "").isdigit():
            found[label] = (int(number.replace(",", "")), dict(link.attributes)["href"])
    return found


@pytest.fixture
def some_keys(cast):
    many_keys(cast.owner, 2, name="In week", expires_at=NOW + timedelta(days=6), **USED)
    many_keys(cast.owner, 3, name="In month", expires_at=NOW + timedelta(days=20), **USED)
    many_keys(cast.owner, 4, name="Never used", expires_at=NOW + timedelta(days=99))
    many_keys(
        cast.owner, 5, name="Unconfirmed", state=State.CLAIMED, expires_at=NOW + timedelta(days=99), **USED
    )
    many_keys(cast.owner, 6, name="Expired", expires_at=NOW - timedelta(hours=1), **USED)
    many_keys(cast.owner, 7, name="Removed", state=State.REVOKED, removed_at=NOW, **USED)
    a_key(cast.owner, name="Pending", state=State.IN_DOUBT, cerby_id=None)
    a_key(cast.owner, name="Failed", state=State.REFUSED, cerby_id=None)


def test_the_numbers(admin, some_keys):
    counts = {label: count for label, (count, _) in figures(admin.get("/")).items()}
    assert counts == {
        "Active": 2 + 3 + 4 + 5,
        "Pending": 1,
        "Expired": 6,
        "Removed": 7,
        "Expiring in 7 days": 2,
        "Expiring in 30 days": 2 + 3,
        "Active, never used": 4,
        "Storage unconfirmed": 5,
    }


def test_each_number_leads_to_exactly_the_keys_that_were_counted(admin, some_keys):
    for label, (count, url) in figures(admin.get("/")).items():
        assert url.startswith("/keys/?"), label
        assert sum(len(names(page)) for page in walk_pages(admin, url)) == count, label


def test_an_empty_workspace_is_all_zeros(admin):
    assert {count for count, _ in figures(admin.get("/")).values()} == {0}


def test_the_newest_activity_is_here(admin):
    key, _ = viewed(admin, name="Payroll")
    response = admin.get("/")
    assert "API key viewed" in text(response)
    assert f"/keys/{key.pk}/" in [dict(link.attributes)["href"] for link in elements(response, "a")]


def test_it_is_marked_in_the_navigation(admin):
    assert words(the(admin.get("/"), "a", aria_current="page")) == "Dashboard"


def test_a_user_is_told_who_may_see_it(browser_of):
    response = browser_of("user").get("/")
    assert response.status_code == 403
    assert "Owner, Super Admin, Admin" in text(response)


def test_fifty_keys_and_events_cost_as_many_queries_as_one(admin, cast):
    a_key(cast.owner)
    an_event(at=NOW).save()
    one = queries(admin, "/")
    many_keys(cast.admin, 49, name="Robot")
    AuditEvent.objects.bulk_create(an_event(at=NOW, type="key:call") for _ in range(49))
    assert queries(admin, "/") == one
