"""Test the page Your account: who the reader is to the portal, their password, and their time zone."""

from __future__ import annotations

import pytest

from tests.cast import PASSWORD, record_people, signed_in
from tests.pages.helpers import attribute, details, elements, links, reason_beside, text, the, within, words


@pytest.fixture
def guest(cast):
    return signed_in(cast.guest)


def test_it_says_who_the_reader_is_and_where_the_role_comes_from(cast, guest):
    shown = details(guest.get("/account/"))
    assert (shown["Name"], shown["Email"], shown["Role"]) == (
        "Guest Person", "guest@contenzilla.example", "Guest User"
    )  # fmt: skip
    assert shown["Cerby confirmed the role"].endswith("(just now)")


def test_it_says_when_the_password_was_changed_and_changes_it(cast, guest):
    assert details(guest.get("/account/"))["Last changed"] == "Not known"  # it is older than the record
    record_people()
    page = guest.get("/account/")
    assert details(page)["Last changed"].endswith("(just now)")
    new = {
        "oldpassword": PASSWORD,
        "password1": "another long password",
        "password2": "another long password",
    }
    response = guest.post(links(page)["Change password"], new)
    assert response["Location"] == "/account/"
    assert "Your password is changed." in text(guest.get("/account/"))


def test_a_person_without_a_password_is_not_offered_to_change_it(cast, guest):
    cast.guest.set_unusable_password()
    cast.guest.save()
    page = signed_in(cast.guest).get("/account/")
    assert "You have no password for the portal." in text(page)
    assert "Change password" not in links(page)


def chosen(page) -> str:
    select = the(page, "select", name="time_zone")
    return words(within(select, "option", selected="")[0])


def test_times_are_in_the_zone_that_a_person_chooses_in_every_browser(cast, guest):
    guest.cookies["portal-tz"] = "Europe/Berlin"
    page = guest.get("/account/")
    assert chosen(page) == "That of the browser: Europe/Berlin"
    assert "Pages show times in Europe/Berlin." in text(page)
    response = guest.post("/account/time-zone/", {"time_zone": "Asia/Tokyo"}, follow=True)
    assert "Times are shown in the time zone Asia/Tokyo." in text(response)
    assert chosen(response) == "Tokyo"
    elsewhere = signed_in(cast.guest)
    elsewhere.cookies["portal-tz"] = "Europe/Berlin"
    assert " JST " in details(elsewhere.get("/account/"))["Cerby confirmed the role"]

    response = elsewhere.post("/account/time-zone/", {"time_zone": ""}, follow=True)
    assert "Times are shown in the time zone of your browser." in text(response)
    assert "Pages show times in Europe/Berlin." in text(guest.get("/account/"))


def test_the_wizard_reads_an_expiry_in_the_chosen_zone(cast):
    admin = signed_in(cast.admin)
    assert attribute(the(admin.get("/keys/new/"), "input", name="time_zone"), "value") is None
    admin.post("/account/time-zone/", {"time_zone": "Asia/Tokyo"})
    assert attribute(the(admin.get("/keys/new/"), "input", name="time_zone"), "value") == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["Mars/Olympus", "EST", "../etc/passwd", "Europe/Berlin\0"])
def test_another_zone_is_refused(cast, guest, name):
    response = guest.post("/account/time-zone/", {"time_zone": name})
    assert response.status_code == 422
    assert reason_beside(response, "id_time_zone") == "Choose one of the time zones in the list."
    assert "show times in UTC" in text(guest.get("/account/"))


@pytest.mark.parametrize("cookie", ["", "Etc/Unknown", "../etc/passwd"])
def test_a_browser_without_a_known_zone_gets_utc(cast, guest, cookie):
    guest.cookies["portal-tz"] = cookie
    page = guest.get("/account/")
    assert chosen(page) == "That of the browser"
    assert "show times in UTC" in text(page)
    assert elements(page, "optgroup", label="Europe")
