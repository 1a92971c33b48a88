"""Test the page My keys: the keys that a person owns or answers for, and what is due."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from tests.cast import a_key, signed_in
from tests.pages.helpers import attribute, elements, links, queries, rows, text, words

FAR = timezone.now() + timedelta(days=200)


def tasks(page) -> dict[str, str]:
    """Return the address of each task's button by its words."""
    return {
        words(link).replace(" :", ":"): dict(link.attributes)["href"]
        for link in elements(page, "a", class_="button")
        if ":" in words(link)
    }


def test_it_lists_what_a_person_owns_or_answers_for(cast):
    nobody = {"accountable": None, "expires_at": FAR}
    a_key(cast.user, name="Owned", **nobody)
    a_key(cast.owner, name="Answered", **nobody | {"accountable": cast.user})
    a_key(cast.owner, name="Backed up", **nobody | {"backup": cast.user})
    a_key(cast.user, name="All three", **nobody | {"accountable": cast.user, "backup": cast.user})
    a_key(cast.owner, name="Somebody else's", expires_at=FAR)
    a_key(cast.user, name="Removed", state="revoked", removed_at=timezone.now(), **nobody)
    shown = {
        row["Name"]: row["You are"].replace("You are", "").strip()
        for row in rows(signed_in(cast.user).get("/keys/mine/"))
    }
    assert shown == {
        "Owned": "Owner", "Answered": "Accountable", "Backed up": "Backup",
        "All three": "Owner, Accountable, Backup",
    }  # fmt: skip


def test_each_task_has_one_button(cast):
    me = cast.user
    soon = a_key(me, name="Soon", expires_at=timezone.now() + timedelta(days=3))
    due = a_key(me, name="Due", expires_at=FAR, review_on=timezone.localdate())
    claimed = a_key(me, name="Claimed", expires_at=FAR, state="claimed", stored_at=None)
    orphan = a_key(me, name="Orphan", expires_at=FAR, accountable=None)
    backed = a_key(cast.owner, name="Backed", expires_at=FAR, accountable=None, backup=me)
    page = signed_in(me).get("/keys/mine/")
    assert tasks(page) == {
        "See the key: Soon": f"/keys/{soon.pk}/",
        "Review it: Due": f"/keys/{due.pk}/edit/",
        "Store it: Claimed": f"/keys/{claimed.pk}/store/",
        "Name a person: Orphan": f"/keys/{orphan.pk}/edit/",
        "See the key: Backed": f"/keys/{backed.pk}/",
    }
    assert "You are its backup" in text(page)
    browser = signed_in(me)
    assert {browser.get(url).status_code for url in tasks(page).values()} == {200}
    for before in ("", "http://testserver/keys/mine/"):
        [back] = elements(browser.get(f"/keys/{backed.pk}/", HTTP_REFERER=before), "a", class_="back")
        assert (words(back), attribute(back, "href")) == ("My keys", "/keys/mine/")


def test_it_is_the_start_page_of_people_who_are_not_admins(cast):
    a_key(cast.owner, accountable=cast.user, expires_at=FAR)
    browser = signed_in(cast.user)
    assert browser.get("/")["Location"] == "/keys/mine/"
    assert "/keys/mine/" in links(browser.get("/keys/mine/")).values()
    assert signed_in(cast.guest).get("/")["Location"] == "/roles/"
    assert "You have no API keys" in text(signed_in(cast.guest).get("/keys/mine/"))


def test_the_inventory_of_own_keys_keeps_its_address(cast):
    a_key(cast.user, expires_at=FAR)
    assert signed_in(cast.user).get("/keys/").status_code == 200


def test_it_costs_the_same_for_any_number_of_keys(cast):
    browser = signed_in(cast.user)
    a_key(cast.user, expires_at=FAR)
    few = queries(browser, "/keys/mine/")
    for _ in range(10):
        a_key(cast.user, expires_at=FAR, accountable=cast.owner, backup=cast.guest)
    assert queries(browser, "/keys/mine/") == few
