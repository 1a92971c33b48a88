"""A key with a thousand scopes, which a gateway may list, is a key like any other."""

from __future__ import annotations

import pytest

from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent
from keys.rules import scope_lists
from keys.rules.lifecycle import State
from keys.rules.scopes import in_order
from tests.pages.helpers import text
from tests.support.bad_server import data, http, listed_key, listing
from tests.support.row_check import wrong_keys

MANY = in_order(["read:users", *(f"read:items:of-department-{number:04}" for number in range(1000))])
LESS = [scope for scope in MANY if scope != MANY[700]]


def listed(cast, scopes, **more):
    owner = {"ownerId": str(cast.owner.cerby_id), "ownerEmail": cast.owner.email}
    return listed_key(scopes=scopes, externalId=None, **owner, **more)


def test_it_can_be_found_viewed_narrowed_and_deleted(cast, browser_of, cerby_that):
    owner = browser_of("owner")
    cerby_that(listing([listed(cast, MANY)]))
    assert (sweep().discovered, sweep().changed) == (1, 0)
    key = ApiKey.objects.get()
    page = owner.get(f"/keys/{key.pk}/")
    assert "read:items:of-department-0999" in text(page)
    cerby_that(data(listed(cast, MANY)), data(listed(cast, LESS)))
    off = owner.post(f"/keys/{key.pk}/rescope/", {"scope": MANY[700], "on": "false"})
    assert off.status_code == 302, text(off)
    assert ApiKey.objects.get().scopes == LESS
    started, done = AuditEvent.objects.filter(type__endswith="rescope").order_by("id")
    for event in (started, done):
        before, after = event.details["before"], event.details["after"]
        assert set(before) - set(after) - {before[-1]} == {MANY[700]}
    story = text(owner.get(f"/activity/{done.uid}/"))
    assert MANY[700] in story
    assert MANY[699] not in story
    cerby_that(http(204), data(listed(cast, LESS, status="removed")))
    owner.post(f"/keys/{key.pk}/delete/")
    assert ApiKey.objects.get().state == State.REVOKED
    assert wrong_keys() == []


def test_a_change_of_one_scope_in_the_database_is_found(cast, cerby_that):
    cerby_that(listing([listed(cast, MANY)]))
    sweep()
    ApiKey.objects.update(scopes=LESS)
    [found] = wrong_keys()
    assert "scopes is" in found


@pytest.mark.parametrize(
    "scopes", [["a"], MANY, ["x" * 199] * 3, [*MANY, "and 1 more (sha256:" + "0" * 64 + ")"]]
)
def test_the_scopes_of_an_event_are_comparable_with_all(scopes):
    logged = scope_lists.with_room({"scopes": scopes})["scopes"]
    assert scope_lists.are_same(logged, scopes)
    assert not scope_lists.are_same(logged, [*scopes, "b"])
    assert len(str(logged)) < 3000
