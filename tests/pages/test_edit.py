"""Test the page that edits who answers for a key, its purpose and its note."""

from __future__ import annotations

import pytest
from django.utils import timezone

from keys.models import ApiKey, User
from tests.cast import a_key, said_by, signed_in
from tests.pages.helpers import details, elements, events, messages_of, reason_beside, text, the
from tests.support.cases import in_one_test
from tests.support.row_check import wrong_keys

GIVEN = {
    "accountable": "User@contenzilla.example",
    "backup": "owner@contenzilla.example",
    "team": " Data  platform ",
    "system": "BigQuery",
    "kind": "workload",
    "environment": "production",
    "review_on": "2026-03-01",
    "tags": "Nightly, ETL",
    "purpose": "Exports the payroll.",
    "note": "Ask before\r\nyou delete it.",
}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def key(cast) -> ApiKey:
    return a_key(cast.owner, purpose="To test with.")


def form_of(browser, key: ApiKey) -> dict[str, str]:
    """Return the fields of the form as a browser would send them."""
    page = browser.get(f"/keys/{key.pk}/edit/")
    assert page.status_code == 200
    form = page.context["form"]
    return {field.html_name: "" if field.value() is None else str(field.value()) for field in form}


def save(browser, key: ApiKey, **changes: str):
    return browser.post(f"/keys/{key.pk}/edit/", form_of(browser, key) | changes)


def test_everything_is_saved_shown_and_recorded_with_before_and_after(admin, key, cast):
    response = save(admin, key, **GIVEN)
    assert response["Location"] == f"/keys/{key.pk}/"
    page = admin.get(response["Location"])
    assert "is saved" in messages_of(page)
    shown = details(page)
    assert cast.user.email in shown["Accountable person"]
    assert cast.owner.email in shown["Backup"]
    assert (shown["Team"], shown["System"]) == ("Data platform", "BigQuery")
    assert (shown["Kind"], shown["Environment"]) == ("Workload", "Production")
    assert shown["Review date"] == "1 Mar 2026 due Rotate it at its review"
    assert shown["Tags"].split() == ["etl", "nightly"]
    assert shown["Note"] == "Ask before you delete it."
    [event] = events(type="key:edit")
    said = said_by(event)
    assert said["before"]["accountable"] == {"id": str(cast.owner.pk), "email": cast.owner.email}
    assert said["after"]["accountable"] == {"id": str(cast.user.pk), "email": cast.user.email}
    assert (said["before"]["tags"], said["after"]["tags"]) == ([], ["etl", "nightly"])
    assert said["before"].keys() == said["after"].keys() == GIVEN.keys()
    assert cast.user.email.encode() not in bytes(event.leaf)


def test_only_changed_values_are_recorded_and_nothing_if_nothing_changed(admin, key):
    response = save(admin, key)
    assert "changed nothing" in messages_of(admin.get(response["Location"]))
    assert events(type="key:edit") == []
    save(admin, key, team="Data")
    [event] = events(type="key:edit")
    assert said_by(event) == {"before": {"team": ""}, "after": {"team": "Data"}}


def test_the_longest_texts_fit_into_the_log(admin, key):
    tags = ", ".join(chr(ord("一") + number) * 40 for number in range(10))
    for letter in "🔑漢":
        save(admin, key, purpose=letter * 500, note=letter * 500, tags=tags, team=letter * 100)
    row = ApiKey.objects.get()
    assert (row.purpose, row.note, row.team) == ("漢" * 500, "漢" * 500, "漢" * 100)
    assert len(events(type="key:edit")) > 2
    assert wrong_keys() == []


def test_a_second_person_sees_what_the_first_one_changed_and_keeps_their_input(admin, browser_of, key):
    stale = form_of(admin, key)
    save(browser_of("owner"), key, team="Data")
    response = admin.post(f"/keys/{key.pk}/edit/", stale | {"system": "BigQuery"})
    assert response.status_code == 409
    assert "Another person was faster" in text(response)
    assert "Data" in text(response)
    assert the(response, "input", name="system").attributes
    assert ("value", "BigQuery") in the(response, "input", name="system").attributes
    assert ApiKey.objects.get().system == ""
    again = {field.html_name: field.value() or "" for field in response.context["form"]}
    assert admin.post(f"/keys/{key.pk}/edit/", again | {"team": "Data"}).status_code == 302
    row = ApiKey.objects.get()
    assert (row.team, row.system, row.version) == ("Data", "BigQuery", 2)


@in_one_test(
    "changes, field, reason",
    [
        ({"accountable": "nobody@contenzilla.example"}, "accountable", "Cerby knows nobody"),
        ({"backup": "owner@contenzilla.example"}, "backup", "is the accountable person already"),
        ({"tags": ",".join(f"t{number}" for number in range(11))}, "tags", "11 tags"),
        ({"note": "x" * 501}, "note", "501 characters"),
        ({"purpose": " "}, "purpose", "is missing"),
        ({"review_on": "2099-01-01"}, "review_on", "ten years"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_an_invalid_value_is_explained_and_kept(admin, key, changes, field, reason):
    response = save(admin, key, **changes)
    assert response.status_code == 422
    assert reason in reason_beside(response, f"id_{field}")
    assert response.context["form"][field].value() == changes[field]
    assert events(type="key:edit") == []


def test_a_person_who_has_left_may_stay_but_not_be_chosen(admin, key, cast):
    ApiKey.objects.update(backup=cast.guest)
    User.objects.filter(pk__in=[cast.guest.pk, cast.user.pk]).update(left_at=timezone.now())
    assert save(admin, key, team="Data").status_code == 302
    refused = save(admin, key, accountable=cast.user.email)
    assert refused.status_code == 422
    assert "has left" in reason_beside(refused, "id_accountable")


@pytest.mark.parametrize(("who", "may"), [("user", True), ("login_only", True), ("guest", False)])
def test_the_owner_and_the_accountable_person_may_edit_and_the_backup_may_only_look(cast, who, may):
    key = a_key(cast.user, accountable=cast.login_only, backup=cast.guest)
    browser = signed_in(cast[who])
    page = browser.get(f"/keys/{key.pk}/")
    assert page.status_code == 200
    assert bool(elements(page, "a", href=f"/keys/{key.pk}/edit/")) is may
    assert browser.get(f"/keys/{key.pk}/edit/").status_code == (200 if may else 403)


def test_the_page_says_that_nobody_answers_for_a_key(admin, cast):
    key = a_key(cast.user, accountable=None)
    page = admin.get(f"/keys/{key.pk}/")
    assert "Nobody answers for this key" in text(page)
    save(admin, key, accountable=cast.admin.email)
    assert "Nobody answers for this key" not in text(admin.get(f"/keys/{key.pk}/"))


def test_a_discovered_key_gets_its_purpose_by_adoption_only(admin, cast):
    key = a_key(cast.user, origin="discovered", purpose="", accountable=None)
    assert "purpose" not in form_of(admin, key)
    save(admin, key, team="Data", purpose="Smuggled in.")
    row = ApiKey.objects.get()
    assert (row.team, row.purpose) == ("Data", "")
