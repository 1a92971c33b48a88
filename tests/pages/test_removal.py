"""Test the page Delete it in Cerby, for a key that only a person can delete."""

from __future__ import annotations

import uuid

import pytest

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import a_key
from tests.pages.helpers import HTMX, attribute, elements, events, messages_of, reason_beside, rows, text


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def declared(cast):
    return a_key(cast.owner, name="On-call bot", cerby_id=None, origin="declared", stored_at=None)


def state_of(key) -> str:
    return ApiKey.objects.get(pk=key.pk).state


def test_the_whole_way_from_the_question_to_removed(admin, declared, cast):
    asked = admin.get(f"/keys/{declared.pk}/delete/")
    assert "The next page explains how to delete it in Cerby" in text(asked)
    response = admin.post(f"/keys/{declared.pk}/delete/")
    assert response["Location"] == f"/keys/{declared.pk}/removal/"
    page = admin.get(response["Location"])
    assert "This key may still work" in text(page)
    copyable = [attribute(button, "aria-label") for button in elements(page, "button", class_="small")]
    assert copyable == ["Copy “On-call bot”", f"Copy “{cast.owner.email}”"]
    [row] = rows(admin.get("/keys/"))
    assert row["Status"] == "Removed removal unconfirmed"

    done = admin.post(f"/keys/{declared.pk}/removal/confirm/", {"deleted": "on"})
    assert "as you confirmed" in messages_of(admin.get(done["Location"]))
    [row] = rows(admin.get("/keys/"))
    assert row["Status"] == "Removed"
    [event] = events(type="key:confirm-removal")
    assert (event.actor_email, event.key_id) == (cast.admin.email, declared.pk)


def test_under_htmx_the_dialog_leads_there_as_well(admin, declared):
    response = admin.post(f"/keys/{declared.pk}/delete/", headers=HTMX)
    assert response["HX-Redirect"] == f"/keys/{declared.pk}/removal/"


def test_without_the_tick_nothing_is_confirmed(admin, declared):
    admin.post(f"/keys/{declared.pk}/delete/")
    response = admin.post(f"/keys/{declared.pk}/removal/confirm/")
    assert response.status_code == 422
    assert reason_beside(response, "deleted") == "Tick the box after you have deleted the key in Cerby."
    assert state_of(declared) == State.REVOKING


def test_it_cannot_be_confirmed_before_deleting_was_started(admin, declared):
    assert admin.post(f"/keys/{declared.pk}/removal/confirm/", {"deleted": "on"}).status_code == 409
    assert state_of(declared) == State.HELD


def test_a_key_that_the_portal_can_delete_needs_no_manual_step(admin, cast):
    key = a_key(cast.owner)
    assert "There is nothing left to do" in text(admin.get(f"/keys/{key.pk}/removal/"))
    assert "This key may still work" not in text(admin.get(f"/keys/{uuid.UUID(int=key.pk.int)}/"))


def test_the_page_of_the_key_links_to_an_unfinished_removal(admin, declared):
    admin.post(f"/keys/{declared.pk}/delete/")
    page = admin.get(f"/keys/{declared.pk}/")
    assert "This key may still work" in text(page)
    assert f"/keys/{declared.pk}/removal/" in [attribute(link, "href") for link in elements(page, "a")]


def test_its_scopes_cannot_be_changed_here(admin, declared):
    page = admin.get(f"/keys/{declared.pk}/")
    assert not elements(page, "button", role="switch"), "On and Off are text"
    assert "Change them in Cerby's web app" in text(page)
    assert "Declared without its value" in text(page)
