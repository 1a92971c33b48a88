"""Test the import's optional columns of who answers for a key."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from keys.models import ApiKey
from tests.pages.helpers import rows, text

HEADER = "name,owner,expires,purpose,scopes,accountable,backup,team,system,kind,environment,review,tags,note"
LINE = (
    "One,owner@contenzilla.example,2099-01-01,Why,read:users,User@contenzilla.example,"
    "guest@contenzilla.example,Data,BigQuery,Workload,production,2027-01-31,Nightly;etl,Ask Ada."
)


@pytest.mark.parametrize("review", ["2027-01-31", "31.01.2027", "01/31/2027", '"Jan 31, 2027"', "31-Jan-27"])
def test_every_value_is_imported(browser_of, cast, review):
    line = LINE.replace("2027-01-31", review)
    response = browser_of("admin").post("/keys/import/confirm/", {"text": f"{HEADER}\n{line}"})
    assert response.status_code == 302
    key = ApiKey.objects.get()
    assert (key.accountable, key.backup, key.team, key.system) == (cast.user, cast.guest, "Data", "BigQuery")
    assert (key.kind, key.environment, key.review_on) == ("workload", "production", date(2027, 1, 31))
    assert (key.tags, key.note) == (["etl", "nightly"], "Ask Ada.")


@pytest.mark.usefixtures("cast", "sandbox")
def test_the_preview_shows_everything_that_will_be_stored(browser_of):
    file = SimpleUploadedFile("keys.csv", f"{HEADER}\n{LINE}".encode(), "text/csv")
    [row] = rows(browser_of("admin").post("/keys/import/", {"file": file}))
    assert row["Scopes"] == "Read users"
    assert row["Who and what for"] == (
        "Purpose: Why Accountable person: user@contenzilla.example Backup: guest@contenzilla.example "
        "Team: Data System: BigQuery Kind: Workload Environment: Production Review date: 31 January 2027 "
        "Tags: etl, nightly Note: Ask Ada."
    )


@pytest.mark.parametrize(
    ("wrong", "right", "reason"),
    [
        ("nobody@contenzilla.example", "guest@contenzilla.example", "under backup"),
        ("robot", "Workload", "is not one of"),
        ("tomorrow", "2027-01-31", "under review is not a day"),
        ("01/02/2027", "2027-01-31", "under review may be 1 February 2027 or 2 January 2027"),
    ],
)
@pytest.mark.usefixtures("cast", "sandbox")
def test_a_wrong_value_is_explained_beside_its_line(browser_of, wrong, right, reason):
    response = browser_of("admin").post(
        "/keys/import/confirm/", {"text": f"{HEADER}\n{LINE.replace(right, wrong)}"}
    )
    assert reason in text(response)
    assert not ApiKey.objects.exists()
