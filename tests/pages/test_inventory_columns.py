"""Test the column chooser of the page API keys."""

from __future__ import annotations

from datetime import date

import pytest

from keys.selectors.inventory.columns import ALL, DEFAULT
from tests.cast import a_key
from tests.pages.helpers import (
    attribute,
    csv_rows,
    elements,
    links,
    many_keys,
    names,
    queries,
    rows,
    text,
    the,
    within,
)

EVERY = ",".join(column.name for column in ALL)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def titles(response) -> list[str]:
    return list(rows(response)[0])[1:-1]


def test_the_address_says_which_columns_are_shown_in_the_order_of_the_table(admin, cast):
    a_key(cast.owner, name="Payroll", team="Data")
    assert titles(admin.get("/keys/?columns=status,team,owner")) == ["Name", "Team", "Owner", "Status"]
    assert titles(admin.get("/keys/?columns=team&columns=owner", follow=True)) == ["Name", "Team", "Owner"]
    assert titles(admin.get("/keys/?columns=")) == titles(admin.get("/keys/"))


def test_each_column_shows_its_value(admin, cast):
    a_key(
        cast.owner,
        name="Payroll", team="Data", system="BigQuery", kind="agent", environment="production", backup=cast.guest,
        review_on=date(2027, 1, 31), tags=["etl", "nightly"], purpose="Pays people.", note="Ask first.",
        last_four="1f9c", stored_in="Vault A", origin="registered", cerby_id=None, fingerprint=b"f" * 32, pepper_id="p1",
    )  # fmt: skip
    key_id = names(admin.get("/keys/")) and attribute(the(admin.get("/keys/"), "input", name="key"), "value")
    [row] = rows(admin.get(f"/keys/?columns={EVERY}"))
    shown = {
        "Name": "Payroll", "Backup": "Guest Person", "Team": "Data", "System": "BigQuery", "Kind": "Agent",
        "Environment": "Production", "Review date": "31 Jan 2027", "Tags": "etl, nightly", "Purpose": "Pays people.",
        "Origin": "Registered with its value", "Last four": "…1f9c", "Stored in": "Vault A", "Note": "Ask first.",
        "Key id": key_id,
    }  # fmt: skip
    assert {title: row[title] for title in shown} == shown
    assert len(row) == len(ALL) + 2


def test_a_value_that_nobody_entered_is_empty(admin, cast):
    a_key(cast.owner)
    [row] = rows(admin.get("/keys/?columns=backup,team,kind,review,tags,last-four,note"))
    assert set(list(row.values())[2:-1]) == {""}


def test_the_chooser_keeps_filters_sort_and_place_and_can_be_sent_without_javascript(admin, cast):
    keys = many_keys(cast.owner, 60, team="Data")
    page = admin.get(f"/keys/?team=data&sort=name&after={keys[3].pk}&columns=team,owner")
    form = the(page, "form", id="column-choices")
    sent = [
        (attribute(box, "name"), attribute(box, "value"))
        for box in within(form, "input")
        if attribute(box, "type") == "hidden" or "checked" in dict(box.attributes)
    ]
    assert sent[:3] == [("team", "data"), ("sort", "name"), ("after", str(keys[3].pk))]
    assert [value for name, value in sent if name == "columns"] == ["name", "team", "owner"]
    address = "/keys/?" + "&".join(f"{name}={value}" for name, value in sent if name)
    answer = admin.get(address)
    assert answer["Location"].endswith("&columns=name%2Cteam%2Cowner")
    assert names(admin.get(answer["Location"])) == names(page)


def test_the_filter_the_sort_order_and_the_pager_keep_the_columns(admin, cast):
    many_keys(cast.owner, 60)
    page = admin.get("/keys/?columns=team")
    assert the(page, "input", type="hidden", name="columns", form="filter", value="name,team")
    for link in (
        attribute(the(page, "a", id="sort-name"), "href"),
        links(page)["Next"],
        links(page)["Clear"],
    ):
        assert "columns=" in str(link)
    assert "columns" not in links(page)["As of a date"]


def test_the_default_columns_are_not_in_the_address(admin, cast):
    a_key(cast.owner)
    answer = admin.get("/keys/?" + "&".join(f"columns={name}" for name in DEFAULT))
    assert answer["Location"] == "/keys/"
    assert "Default columns" not in links(admin.get("/keys/"))
    assert links(admin.get("/keys/?status=active&columns=team"))["Default columns"] == "/keys/?status=active"


@pytest.mark.parametrize("columns", ["nonsense", "name,nonsense", "name&columns=nonsense"])
def test_an_unknown_column_is_named_like_any_other_value_that_is_not_valid(admin, cast, columns):
    a_key(cast.owner)
    page = admin.get(f"/keys/?columns={columns}")
    assert page.status_code == 422
    assert "“nonsense” is not a column" in text(page)


def test_it_can_be_sorted_by_a_column_that_is_not_shown(admin, cast):
    for name, day in (("Late", 20), ("Early", 10)):
        a_key(cast.owner, name=name, review_on=date(2027, 1, day))
    page = admin.get("/keys/?columns=team&sort=review")
    assert names(page) == ["Early", "Late"]
    assert "sorted by review date" in text(page)
    assert "sorted by" not in text(admin.get("/keys/?columns=review&sort=review"))


def test_people_who_see_their_own_keys_get_no_column_of_owners(browser_of, cast):
    a_key(cast.user, name="Mine")
    user = browser_of("user")
    assert "Owner" not in titles(user.get("/keys/"))
    assert titles(user.get("/keys/?columns=owner,team")) == ["Name", "Team"]
    assert not elements(user.get("/keys/"), "input", name="columns", value="owner")


def test_columns_cost_no_queries(admin, cast):
    a_key(cast.owner, backup=cast.guest)
    few = queries(admin, "/keys/")
    many_keys(cast.owner, 49, backup=cast.guest, tags=["a"])
    assert queries(admin, f"/keys/?columns={EVERY}") == few


def test_the_download_always_has_every_column(admin, cast):
    a_key(cast.owner, name="Payroll")
    assert csv_rows(admin.get("/keys/export/?columns=name")) == csv_rows(admin.get("/keys/export/"))


def test_in_assisted_mode_the_last_use_is_the_last_known_one(admin, cast, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    a_key(cast.owner)
    assert titles(admin.get("/keys/?columns=last-used")) == ["Name", "Last known use"]
