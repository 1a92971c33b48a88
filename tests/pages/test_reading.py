"""Test readings: last use and expiry that a person read in Cerby's web app, with name and time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys.evidence.keys_as_of import keys_as_of
from keys.models import ApiKey
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from tests.cast import a_key
from tests.pages.helpers import csv_rows, events, links, reason_beside, rows, text
from tests.support.cases import in_one_test
from tests.support.row_check import wrong_keys


@pytest.fixture
def key(cast, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    return a_key(cast.owner, name="Nightly export", expires_at=EXPIRY_NOT_KNOWN)


def url(key):
    return f"/keys/{key.pk}/reading/"


def test_a_reading_is_shown_with_person_and_day(browser_of, cast, key):
    admin = browser_of("admin")
    assert "Expires Not known" in text(admin.get(f"/keys/{key.pk}/"))
    assert rows(admin.get("/keys/"))[0]["Expires"] == "Not known"
    assert links(admin.get(f"/keys/{key.pk}/"))["Enter last use or expiry"] == url(key)
    answer = admin.post(url(key), {"last_used": "2026-11-20", "expires_date": "2027-05-01"})
    assert answer["Location"] == f"/keys/{key.pk}/"
    key.refresh_from_db()
    assert key.expires_at == datetime(2027, 5, 1, tzinfo=UTC)
    assert (key.use_read_by, key.expiry_read_by) == (cast.admin, cast.admin)
    page = text(admin.get(f"/keys/{key.pk}/"))
    assert page.count("reading by Admin Person") == 2
    row = rows(admin.get("/keys/"))[0]
    assert row["Expires"].startswith("1 May 2027 reading by Admin Person")
    header, line = csv_rows(admin.get("/keys/export/"))[-2:]
    exported = dict(zip(header, line, strict=True))
    assert exported["Last used: source"].startswith("reading by Admin Person")
    [event] = events(type="key:reading")
    assert event.details["last_used_at"] == "2026-11-20T00:00:00.000000Z"
    assert wrong_keys() == []


def test_never_used_is_a_reading_too(browser_of, key):
    admin = browser_of("admin")
    assert rows(admin.get("/keys/"))[0]["Last known use"] == "Not known"
    admin.post(url(key), {"never_used": "on"})
    assert rows(admin.get("/keys/"))[0]["Last known use"].startswith("Never reading by Admin Person")


def test_a_past_time_has_the_readings_of_that_time(browser_of, key):
    admin = browser_of("admin")
    before = timezone.now()
    admin.post(url(key), {"last_used": "2026-11-20", "expires_date": "2027-05-01"})
    [past] = keys_as_of(before, {})
    assert (past.last_used_at, past.last_used_source, past.expires_at) == (None, "", EXPIRY_NOT_KNOWN)
    [now] = keys_as_of(timezone.now(), {})
    assert now.last_used_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert now.expires_source.startswith("reading by Admin Person, ")


@in_one_test(
    "sent, field, said",
    [
        ({}, "id_last_used", "Enter when the key was last used"),
        ({"last_used": "2999-01-01"}, "id_last_used", "in the future"),
        ({"last_used": "2026-11-01", "never_used": "on"}, "id_never_used", "Not both"),
        ({"expires_date": "2001-01-01"}, "id_expires_date", "before the key was created"),
        ({"expires_date": "3001-01-01"}, "id_expires_date", "a hundred years"),
        ({"expires_time": "12:00"}, "id_expires_date", "Enter the day too"),
    ],
)
def test_a_time_that_cannot_be_right_is_refused(browser_of, key, sent, field, said):
    response = browser_of("admin").post(url(key), sent)
    assert response.status_code == 422
    assert said in reason_beside(response, field)
    assert events(type="key:reading") == []


def test_the_list_of_cerby_counts_more_than_an_earlier_reading(browser_of, key):
    admin = browser_of("admin")
    admin.post(url(key), {"never_used": "on"})
    ApiKey.objects.update(confirmed_at=timezone.now() + timedelta(seconds=1))
    assert "reading by" not in text(admin.get("/keys/"))


def test_no_reading_is_taken_for_a_key_that_cerby_lists(browser_of, cast, sandbox):
    key = a_key(cast.owner)
    admin = browser_of("admin")
    assert "No reading is needed The portal reads this key's last use" in text(admin.get(url(key)))
    assert admin.post(url(key), {"never_used": "on"}).status_code == 409


@pytest.mark.parametrize(
    ("state", "why"), [("revoked", "This key has ended"), ("awaited", "This key does not work yet")]
)
def test_the_page_says_why_no_reading_is_needed(browser_of, key, state, why):
    ended = timezone.now() if state == "revoked" else None
    ApiKey.objects.filter(pk=key.pk).update(state=state, removed_at=ended)
    assert why in text(browser_of("admin").get(url(key)))
