"""Test the saved filters of the page Activity."""

from __future__ import annotations

import pytest

from keys.models import SavedFilter
from tests.pages.helpers import elements, links, messages_of, reason_beside, text, the, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def save(browser, name: str, query: str):
    return browser.post("/activity/filters/", {"name": name, "query": query})


def test_it_is_one_click_away_and_keeps_no_place_in_the_list(admin):
    response = save(admin, "Refused in July", "outcome=refused&since=2026-07-01&until=2026-07-31&after=7&x=1")
    wanted = "/activity/?outcome=refused&since=2026-07-01&until=2026-07-31"
    assert response["Location"] == wanted
    page = admin.get(response["Location"])
    assert "“Refused in July” is saved" in messages_of(page)
    assert links(page)["Refused in July"] == wanted
    assert links(admin.get("/activity/"))["Refused in July"] == wanted


def test_only_a_filter_in_use_can_be_saved(admin):
    assert not elements(admin.get("/activity/"), "input", name="query")
    assert elements(admin.get("/activity/?outcome=refused"), "input", name="query", value="outcome=refused")
    for query in ("", "after=7", "outcome=nonsense"):
        assert save(admin, "Nothing", query).status_code == 422
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(("name", "reason"), [("", "Give the filter a name"), ("x" * 61, "at most 60")])
def test_a_name_that_cannot_be_is_told_beside_the_field_and_the_filter_stays(admin, name, reason):
    page = save(admin, name, "outcome=refused")
    assert page.status_code == 422
    assert reason in reason_beside(page, "id_name")
    assert elements(page, "input", name="query", value="outcome=refused")


def test_the_same_name_again_takes_its_place(admin):
    save(admin, "Trouble", "outcome=refused")
    save(admin, "Trouble", "outcome=failed")
    assert links(admin.get("/activity/"))["Trouble"] == "/activity/?outcome=failed"


def test_fifty_are_enough(admin, cast):
    SavedFilter.objects.bulk_create(
        SavedFilter(user=cast.admin, name=f"Filter {number}", query="outcome=failed") for number in range(50)
    )
    page = save(admin, "One more", "outcome=refused")
    assert "You have 50 saved filters" in reason_beside(page, "id_name")
    assert save(admin, "Filter 7", "outcome=refused").status_code == 302


def test_they_are_each_persons_own_and_can_be_deleted(admin, browser_of, cast):
    save(admin, "Trouble", "outcome=refused")
    saved = SavedFilter.objects.get()
    owner = browser_of("owner")
    assert "Trouble" not in text(owner.get("/activity/"))
    assert owner.post(f"/activity/filters/{saved.pk}/delete/").status_code == 404
    [form] = [
        form for form in elements(admin.get("/activity/"), "form") if "/delete/" in str(form.attributes)
    ]
    assert f"/activity/filters/{saved.pk}/delete/" in str(form.attributes)
    assert admin.post(f"/activity/filters/{saved.pk}/delete/").status_code == 302
    assert "Trouble" not in links(admin.get("/activity/"))


def test_they_come_with_the_table_that_htmx_asks_for(admin):
    save(admin, "Trouble", "outcome=refused")
    part = admin.get("/activity/?outcome=failed", headers={"HX-Request": "true"})
    assert "Trouble" in links(part)
    assert words(the(part, "button", class_="button")) == "Save filter"
