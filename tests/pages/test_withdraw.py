"""Test how a registration or an import that was a mistake is undone."""

from __future__ import annotations

import uuid

import pytest

from keys.models import ApiKey
from tests.cast import a_key
from tests.pages.helpers import elements, events, messages_of, names, reason_beside, text, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def declared(cast, **columns) -> ApiKey:
    return a_key(cast.user, origin="declared", cerby_id=None, **columns)


def test_a_registration_is_withdrawn_with_a_reason(admin, cast):
    key = declared(cast, name="Mistake")
    assert "Registered by mistake?" in [words(link) for link in elements(admin.get(f"/keys/{key.pk}/"), "a")]
    refused = admin.post(f"/keys/{key.pk}/withdraw/", {"reason": ""})
    assert "Say why" in reason_beside(refused, "id_reason")
    response = admin.post(f"/keys/{key.pk}/withdraw/", {"reason": "It is a test."})
    page = admin.get(response["Location"])
    assert "Nothing was changed in Cerby" in messages_of(page)
    assert "Withdrawn" in text(page)
    assert "Registered by mistake?" not in text(page)
    assert "Delete API key" not in text(page)
    assert [event.type for event in events()] == ["key:withdraw"]
    assert names(admin.get("/keys/?status=withdrawn")) == ["Mistake"]
    for address in ("/keys/", "/keys/?status=removed", "/keys/past/", "/keys/?q=Mistake"):
        assert names(admin.get(address)) == []
    assert "Mistake" not in b"".join(admin.get("/keys/export/").streaming_content).decode()


def test_a_whole_import_is_withdrawn(admin, cast):
    import_id = uuid.uuid4()
    first, *_ = [declared(cast, imported_in=import_id) for _ in range(3)]
    other = declared(cast)
    page = admin.get(f"/keys/{first.pk}/withdraw/")
    assert "3 keys of this import can be withdrawn" in text(page)
    response = admin.post(f"/keys/{first.pk}/withdraw/", {"reason": "The wrong file.", "whole": "on"})
    assert "3 keys are withdrawn" in messages_of(admin.get(response["Location"]))
    assert [key.pk for key in ApiKey.objects.filter(state="held")] == [other.pk]
    assert len(events(type="key:withdraw")) == 3


def test_a_key_that_cerby_lists_cannot_be_withdrawn(admin, cast):
    key = a_key(cast.user, origin="declared")
    assert "cannot be withdrawn" in text(admin.get(f"/keys/{key.pk}/withdraw/"))
    response = admin.post(f"/keys/{key.pk}/withdraw/", {"reason": "It is a test."})
    assert response.status_code == 409
    assert ApiKey.objects.get().state == "held"
