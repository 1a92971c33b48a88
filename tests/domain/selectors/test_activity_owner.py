"""The activity of an owner's keys: the same events, however many keys the owner has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from keys.models import AuditEvent
from keys.selectors.activity import filters
from keys.selectors.activity.filters import ActivityFilter, Events
from keys.selectors.inventory.keyset import order_by
from tests.cast import a_key, an_event
from tests.support.cases import in_one_test

NOW = timezone.now()


def events_of(email: str) -> Events:
    wanted = ActivityFilter(QueryDict(f"owner={email}"))
    assert wanted.is_valid()
    return order_by(wanted.events(), wanted.order())


@pytest.fixture(params=[0, 1000], ids=["many", "few"])
def _limit(request, monkeypatch):
    """Look events up by key for up to this number of keys, and check the key of each event above it."""
    monkeypatch.setattr(filters, "FEW", request.param)
    monkeypatch.setattr(filters, "_EVENTS_PER_LOOKUP", 0)


@pytest.mark.usefixtures("_limit")
@in_one_test("count", [0, 1, 3])
def test_an_owners_events_are_found_newest_first(cast, count):
    own = [a_key(cast.admin) for _ in range(count)]
    others = [a_key(cast.owner) for _ in range(3)]
    for number, key in enumerate([*own, *others, *own]):
        an_event(key_id=key.pk, at=NOW + timedelta(seconds=number)).save()
    an_event().save()
    expected = AuditEvent.objects.filter(key_id__in=[key.pk for key in own]).order_by("-at", "-id")
    found = events_of(cast.admin.email)
    assert [event.pk for event in found] == [event.pk for event in expected]
    assert len(found) == 2 * count


def test_the_keys_of_an_owner_of_many_are_never_collected(cast, monkeypatch):
    """SQLite would read all keys of the owner before the first event; PostgreSQL plans by statistics."""
    monkeypatch.setattr(filters, "FEW", 0)
    monkeypatch.setattr(filters, "_EVENTS_PER_LOOKUP", 0)
    a_key(cast.admin)
    if connection.vendor == "sqlite":
        plan = events_of(cast.admin.email)[:50].explain()
        assert "event_by_time" in plan
        assert "LIST SUBQUERY" not in plan
        assert "CORRELATED SCALAR SUBQUERY" in plan
