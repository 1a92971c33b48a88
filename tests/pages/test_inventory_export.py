"""Test the CSV export of the inventory: exactly the filtered keys, in UTC, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import a_key, said_by
from tests.pages.helpers import csv_rows, events, many_keys, names, text
from tests.support.cases import in_one_test


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_it_describes_itself_and_contains_exactly_the_filtered_keys(admin, cast):
    a_key(cast.owner, name="In")
    a_key(cast.owner, name="Out", state=State.REVOKED, removed_at=timezone.now())
    response = admin.get("/keys/export/?status=active&sort=name")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="api-keys-')
    header, *lines = csv_rows(response)
    assert re.search(r'"api-keys-status=active-1-rows-\d{8}T\d{6}Z\.csv"', response["Content-Disposition"])
    assert (response["Export-Filter"], response["Export-Count"]) == ("status=active", "1")
    as_of = datetime.strptime(response["Export-Time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((timezone.now() - as_of).total_seconds()) < 60
    assert header[1] == "Name"
    assert [line[1] for line in lines] == ["In"]


@in_one_test("query", ["", "q=robot 1", "status=active&sort=-name", "expires=90", "status=failed"])
def test_it_is_the_list_on_the_page_but_whole(admin, cast, query):
    many_keys(cast.owner, 70, name="Robot")
    a_key(cast.admin, name="Failed", state=State.REFUSED, cerby_id=None)
    shown = names(admin.get(f"/keys/?{query}"))
    response = admin.get(f"/keys/export/?{query}")
    _, *lines = csv_rows(response)
    exported = [line[1] for line in lines]
    assert exported[:50] == shown
    assert response["Export-Count"] == str(len(exported))
    assert len(exported) == len(shown) or (len(shown) == 50 and len(exported) > 50)


def test_an_empty_set_is_a_file_with_no_lines(admin):
    response = admin.get("/keys/export/")
    assert response["Export-Count"] == "0"
    assert len(csv_rows(response)) == 1


def test_a_program_reads_the_header_first(admin, cast):
    """Known-bad control: a line or a byte order mark before the header changes the name of the first column."""
    a_key(cast.owner, name="Ünï")
    content = b"".join(admin.get("/keys/export/").streaming_content).decode("utf-8")
    [row] = csv.DictReader(io.StringIO(content))
    assert (next(iter(row)), row["Name"]) == ("Key id", "Ünï")


@in_one_test("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(admin, cast, start):
    a_key(
        cast.owner,
        name=f'{start}HYPERLINK("http://evil.example")',
        purpose=f"{start}1+1",
        owner_name=f"{start}cmd",
        stored_in=f"{start}SUM(A1)",
    )
    header, line = csv_rows(admin.get("/keys/export/"))
    cells = dict(zip(header, line, strict=True))
    for name in ("Name", "Purpose", "Owner", "Stored in"):
        assert cells[name].startswith(f"'{start}"), name
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)


def test_times_are_utc_whatever_the_reader_sees(admin, cast):
    admin.cookies["portal-tz"] = "Asia/Kolkata"
    a_key(cast.owner, created_at=datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    header, line = csv_rows(admin.get("/keys/export/"))
    assert dict(zip(header, line, strict=True))["Created on (UTC)"] == "2026-06-30T23:30:00Z"


def test_it_is_streamed_and_never_kept(admin, cast):
    many_keys(cast.owner, 30, name="Robot")
    response = admin.get("/keys/export/")
    assert response.streaming
    assert not response.has_header("Content-Length")
    assert response["Cache-Control"] == "no-store, private"
    assert len(list(response.streaming_content)) == 31


def test_it_is_one_statement_so_that_count_and_lines_agree(admin, cast):
    many_keys(cast.owner, 10, name="Robot")
    response = admin.get("/keys/export/")
    a_key(cast.owner, name="Too late")
    _, *lines = csv_rows(response)
    assert response["Export-Count"] == "10"
    assert len(lines) == 10


def test_the_download_is_recorded(admin, cast):
    a_key(cast.owner, name="Robot one")
    csv_rows(admin.get("/keys/export/?q=robot"))
    [event] = events(type="inventory:export")
    assert (event.outcome, event.actor_email) == ("done", "admin@contenzilla.example")
    assert said_by(event) == {"filter": "q=robot", "count": 1}


def test_a_filter_that_cannot_be_used_is_explained_not_ignored(admin, cast):
    a_key(cast.owner)
    response = admin.get("/keys/export/?status=nonsense")
    assert response.status_code == 422
    assert "nonsense" in text(response)
    assert events(type="inventory:export") == []


def test_a_user_takes_their_own_keys_home_and_no_others(browser_of, cast):
    a_key(cast.user, name="Mine")
    a_key(cast.owner, name="Not mine")
    _, *lines = csv_rows(browser_of("user").get("/keys/export/"))
    assert [line[1] for line in lines] == ["Mine"]
    assert ApiKey.objects.count() == 2
