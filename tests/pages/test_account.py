"""Test the page Your account: who the reader is to the portal, their password, and their time zone."""

from __future__ import annotations

import pytest
from django.test import Client

from keys.models import AuditEvent, User
from tests.cast import CHROME, PASSWORD, record_people, signed_in
from tests.databases import SQLITE
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
        "password1": "nine green bottles hang",
        "password2": "nine green bottles hang",
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


def test_it_says_when_the_person_last_signed_in_and_what_has_failed_since(cast):
    def sign_in(password: str = PASSWORD, ip: str = "203.0.113.5"):
        browser = Client(headers={"user-agent": CHROME}, REMOTE_ADDR=ip)
        sent = {"login": cast.guest.email, "password": password}
        return browser, browser.post("/accounts/login/", sent, follow=True)

    browser, landed = sign_in()
    assert "Sign-in before this one" not in details(browser.get("/account/"))
    for _ in range(3):
        sign_in("a wrong password", ip="198.51.100.9")
    sign_in("a wrong password")
    browser, landed = sign_in()
    assert "4 attempts to sign in as you have failed since your last sign-in." in text(landed)
    shown = details(browser.get("/account/"))
    assert "With password, Chrome on Linux, IP address 203.0.113.5" in shown["Sign-in before this one"]
    assert shown["Failed attempts since then"].startswith("4 ")
    browser, landed = sign_in()
    assert "failed since" not in text(landed)
    assert details(browser.get("/account/"))["Failed attempts since then"] == "None"


@pytest.mark.only_on(SQLITE)  # PostgreSQL chooses by statistics, and scans a table as small as this one
def test_it_finds_old_events_of_a_person_with_an_index(cast):
    """However much the person has done since: the queries name all columns of one index before the time."""
    for kind in ("session:start", "password:change"):
        own = AuditEvent.objects.filter(actor_email="a@contenzilla.example", type=kind, outcome="done")
        assert "event_by_actor_and_type" in own.order_by("-at")[:1].explain()


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


@pytest.mark.parametrize(
    ("former", "present", "words_of_it"),
    [("Asia/Calcutta", "Asia/Kolkata", "Kolkata"), ("Europe/Kiev", "Europe/Kyiv", "Kyiv")],
)
def test_a_zone_stands_in_the_list_once_and_its_former_name_still_counts(
    cast, guest, former, present, words_of_it
):
    guest.cookies["portal-tz"] = former  # as Chromium says
    page = guest.get("/account/")
    assert chosen(page) == f"That of the browser: {present}"
    assert f"Pages show times in {present}." in text(page)
    assert not elements(page, "option", value=former)
    assert len(elements(page, "option", value=present)) == 1
    User.objects.filter(pk=cast.guest.pk).update(time_zone=former)  # chosen from an earlier list
    assert chosen(guest.get("/account/")) == words_of_it


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
