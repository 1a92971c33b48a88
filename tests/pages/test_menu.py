"""Test that the menu links only to pages that the person may see."""

from __future__ import annotations

from tests.cast import a_key
from tests.pages.helpers import events, links, the, within, words
from tests.support.cases import in_one_test

EVERYTHING = [
    "Dashboard",
    "My keys",
    "API keys",
    "Compare with Cerby",
    "Requests",
    "Reviews",
    "Policy",
    "Activity",
    "People",
    "Settings",
    "Help",
]


def menu_of(response) -> dict[str, str]:
    entries = within(the(response, "nav", aria_label="Portal"), "li")
    return {words(entry): dict(within(entry, "a")[0].attributes)["href"] for entry in entries}


@in_one_test(
    "person, entries",
    [
        ("owner", EVERYTHING),
        ("super_admin", EVERYTHING),
        ("admin", EVERYTHING),
        ("user", ["My keys", "API keys", "Requests", "Roles", "Help"]),
        ("login_only", ["Roles", "Help"]),
        ("guest", ["Roles", "Help"]),
    ],
)
def test_no_entry_is_refused(browser_of, cast, person, entries):
    a_key(cast.user)
    browser = browser_of(person)
    menu = menu_of(browser.get("/roles/"))
    assert list(menu) == entries
    assert {browser.get(address).status_code for address in menu.values()} == {200}
    assert events(outcome="refused") == []


@in_one_test(
    "address, entry",
    [
        ("/", "Dashboard"),
        ("/keys/mine/", "My keys"),
        ("/keys/", "API keys"),
        ("/keys/new/", "API keys"),
        ("/keys/compare/", "Compare with Cerby"),
        ("/activity/verify/", "Activity"),
        ("/people/", "People"),
        ("/help/audit/", "Help"),
        ("/roles/", "Settings"),
    ],
)
def test_the_current_page_is_marked(browser_of, address, entry):
    menu = the(browser_of("admin").get(address), "nav", aria_label="Portal")
    assert words(within(menu, "a", aria_current="page")[0]) == entry


def test_a_person_without_any_permission_sees_why_and_contacts(browser_of, cast):
    a_key(cast.user)
    told = "There is nothing for you to do here yet"
    assert told in words(the(browser_of("guest").get("/roles/"), "main"))
    for person in ("user", "admin"):
        assert told not in words(the(browser_of(person).get("/roles/"), "main"))


def test_every_page_leads_to_the_account_of_the_reader(browser_of):
    assert links(browser_of("guest").get("/roles/"))["Your account"] == "/account/"
