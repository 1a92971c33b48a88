"""Test the evidence pack: one form, and one download at a time that is recorded before it starts."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.pages.helpers import events, text, the

PAGE, DOWNLOAD = "/activity/evidence/", "/activity/evidence/download/"


@pytest.fixture
def admin(browser_of, settings, tmp_path):
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    return browser_of("admin")


def asked(**changes: str) -> dict[str, str]:
    today = timezone.localdate()
    return {"since": str(today - timedelta(days=7)), "until": str(today), "as_of": ""} | changes


def test_the_activity_leads_to_it(admin):
    assert the(admin.get("/activity/"), "a", href=PAGE)
    assert "If empty, as they are now." in text(admin.get(PAGE))


def test_one_click_streams_a_pack_and_is_recorded_first(admin):
    response = admin.post(DOWNLOAD, asked())
    [event] = events(type="evidence:export")
    assert (event.actor_name, event.details.keys()) == ("Admin Person", {"since", "until", "as_of"})
    assert response.streaming
    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "no-store, private"
    assert response["Content-Disposition"].startswith('attachment; filename="evidence-')
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as packed:
        assert {"keys.csv", "events.jsonl", "manifest.sig", "verify_pack.py"} <= set(packed.namelist())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": "2999-01-01", "until": "2999-01-02"}, "must begin in the past"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "must end after it begins"),
        ({"as_of": "2999-01-01T12:00"}, "This time is in the future."),
        ({"since": "soon"}, "Enter a valid date."),
        ({"as_of": "0001-01-01T00:00"}, "greater than or equal"),
    ],
)
def test_an_impossible_period_is_reported_beside_the_field(admin, changes, words):
    response = admin.post(DOWNLOAD, asked(**changes))
    assert response.status_code == 422
    assert words in text(response)
    assert events(type="evidence:export") == []


def test_a_second_click_waits_for_the_first(admin, browser_of):
    first = admin.post(DOWNLOAD, asked())
    assert admin.post(DOWNLOAD, asked()).status_code == 429
    assert (
        browser_of("owner").post(DOWNLOAD, asked()).status_code == 200
    )  # another person does not have to wait
    assert first.getvalue()
    assert admin.post(DOWNLOAD, asked()).status_code == 200


def test_a_reader_who_goes_away_may_ask_again(admin):
    first = admin.post(DOWNLOAD, asked())
    next(iter(first.streaming_content))
    first._iterator.close()  # closes the response without closing the test's database connection
    assert admin.post(DOWNLOAD, asked()).status_code == 200


def test_people_without_permission_are_refused_before_the_input_is_read(browser_of):
    assert browser_of("user").post(DOWNLOAD, asked()).status_code == 403
    assert [event.details["action"] for event in events(type="attempt:refuse")] == ["evidence:export"]
    assert browser_of("admin").post(DOWNLOAD, asked()).status_code == 200  # nothing is held
