"""Test the inventory's columns and filters of who answers for a key, and the wizard's and the form's fields."""

from __future__ import annotations

from django.utils import timezone

from keys.models import ApiKey
from tests.cast import a_key
from tests.pages.helpers import csv_rows, names, reason_beside, rows, text
from tests.pages.journey import answers


def answered(cast, **columns):
    facts = {
        "accountable": cast.user,
        "accountable_name": cast.user.name,
        "accountable_email": cast.user.email,
    }
    return a_key(cast.owner, **facts | columns)


def test_the_table_shows_the_accountable_person_and_marks_orphans(browser_of, cast):
    answered(cast, name="Answered")
    a_key(cast.owner, name="Orphan", accountable=None, accountable_name="", accountable_email="")
    answered(cast, name="Left", accountable_left_at=timezone.now())
    shown = {row["Name"]: row for row in rows(browser_of("admin").get("/keys/"))}
    assert shown["Answered"]["Accountable"].endswith(cast.user.name)
    assert shown["Orphan"]["Accountable"].endswith("Nobody")
    marked = {name for name, row in shown.items() if "orphan" in row["Status"]}
    assert marked == {"Orphan", "Left"}
    assert set(names(browser_of("admin").get("/keys/?needs=orphan"))) == marked


def test_each_filter_finds_its_keys_whatever_the_case(browser_of, cast):
    answered(
        cast,
        name="Wanted",
        backup=cast.guest,
        team="Data",
        system="BigQuery",
        tags=["nightly"],
        kind="workload",
        environment="production",
        review_on=timezone.localdate(),
    )
    a_key(cast.owner, name="Other")
    admin = browser_of("admin")
    for query in (
        f"accountable={cast.user.email}", f"backup={cast.guest.email}", "team=DATA", "system=bigquery",
        "tag=Nightly", "kind=workload", "environment=production", "needs=review-due",
    ):  # fmt: skip
        page = admin.get(f"/keys/?{query}")
        assert names(page) == ["Wanted"], query
    assert admin.get("/keys/?team=data").content.count(b'<details class="more" open>') == 1
    assert b'<details class="more" open>' not in admin.get("/keys/").content


def test_the_download_has_all_values(browser_of, cast):
    answered(cast, backup=cast.guest, team="Data", tags=["a", "b"], review_on="2027-01-31", note="Ask first.")
    table = [row for row in csv_rows(browser_of("admin").get("/keys/export/")) if len(row) > 5]
    found = dict(zip(*table, strict=True))
    assert found["Accountable person's email"] == cast.user.email
    assert (found["Backup's email"], found["Team"]) == (cast.guest.email, "Data")
    assert (found["Review date"], found["Tags"]) == ("2027-01-31", "a, b")
    assert found["Note by people"] == "Ask first."


def test_the_wizard_asks_who_answers_for_the_key(browser_of, cast, sandbox):
    given = {"accountable": cast.user.email, "team": "Data", "tags": "Nightly"}
    response = browser_of("admin").post("/keys/new/generate/", answers() | given)
    assert response.status_code == 302
    key = ApiKey.objects.get()
    assert (key.accountable, key.team, key.tags) == (cast.user, "Data", ["nightly"])


def test_the_wizard_needs_a_purpose_only_and_explains_a_wrong_value(browser_of, cast, sandbox):
    admin = browser_of("admin")
    assert admin.post("/keys/new/generate/", answers()).status_code == 302
    assert ApiKey.objects.get().accountable == cast.admin
    response = admin.post("/keys/new/scopes/", answers() | {"tags": "x" * 41})
    assert response.status_code == 422
    assert "41 characters" in reason_beside(response, "id_tags")
    response = admin.post("/keys/new/generate/", answers() | {"backup": "nobody@contenzilla.example"})
    assert "Cerby knows nobody" in text(response)


def test_a_key_can_be_registered_with_its_people(browser_of, cast):
    given = {
        "name": "By hand", "owner": cast.owner.email, "purpose": "P", "scopes": ["read:users"],
        "expires_date": "2099-01-01", "team": "Data", "backup": cast.guest.email,
    }  # fmt: skip
    assert browser_of("admin").post("/keys/register/", given).status_code == 302
    key = ApiKey.objects.get()
    assert (key.accountable, key.backup, key.team) == (cast.owner, cast.guest, "Data")
