"""Test the freshness line of the inventory, and a key's origin and last confirmation by Cerby."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.jobs.schedule import make_rows
from keys.jobs.tasks import sweep
from tests.cast import a_key, a_live_key
from tests.pages.helpers import details, many_keys, queries, text, the, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def line(browser) -> str:
    return words(the(browser.get("/keys/"), id="freshness"))


def test_before_the_first_comparison(admin):
    assert line(admin) == "The inventory has not been compared with Cerby yet."
    make_rows()
    assert line(admin) == "The inventory has not been compared with Cerby yet."


def test_it_shows_the_time_and_the_number_of_confirmed_keys(admin, cast, sandbox):
    make_rows()
    a_live_key(sandbox, cast.owner)
    a_key(cast.owner)
    sweep.func()
    said = line(admin)
    assert said.startswith("As of ")
    assert "2 of 3 live keys confirmed , 1 discovered , 1 missing ." in said, "three links"


def test_who_sees_their_own_keys_alone_is_not_told_of_others(browser_of, cast, sandbox):
    make_rows()
    sweep.func()
    a_live_key(sandbox, cast.user)
    said = line(browser_of("user"))
    assert said.startswith("As of ")
    assert "confirmed" not in said


def test_during_an_outage_of_cerby_it_shows_its_start_and_reason_and_the_table(
    admin, cast, sandbox, settings
):
    make_rows()
    key, _ = a_live_key(sandbox, cast.owner)
    settings.CERBY_BASE_URL, url = "http://127.0.0.1:9", settings.CERBY_BASE_URL
    sweep.func()
    assert line(admin).startswith(
        "The inventory has not been compared with Cerby yet: Cerby could not be asked"
    )
    settings.CERBY_BASE_URL = url
    sweep.func()
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    sweep.func()
    response = admin.get("/keys/")
    assert "has not been compared with Cerby since" in words(the(response, id="freshness"))
    assert key.name in text(response)


def test_it_costs_one_query_whatever_the_number_of_keys(admin, cast):
    make_rows()
    few = queries(admin, "/keys/")
    many_keys(cast.owner, 60)
    assert queries(admin, "/keys/") == few


def test_a_key_shows_its_origin_and_last_confirmation(admin, cast):
    facts = details(admin.get(f"/keys/{a_key(cast.owner).pk}/"))
    assert (facts["Origin"], facts["Confirmed by Cerby"]) == ("Generated here", "Not yet")
    confirmed = timezone.now() - timedelta(minutes=3)
    key = a_key(cast.owner, origin="discovered", confirmed_at=confirmed)
    facts = details(admin.get(f"/keys/{key.pk}/"))
    assert facts["Origin"] == "Discovered in Cerby"
    assert facts["Confirmed by Cerby"] != "Not yet"


def test_a_key_that_cerby_no_longer_lists_is_marked(admin, cast):
    gone = a_key(cast.owner, missing_since=timezone.now())
    assert "Cerby no longer lists this key" in text(admin.get(f"/keys/{gone.pk}/"))
    assert "no longer lists" not in text(admin.get(f"/keys/{a_key(cast.owner).pk}/"))
