"""Test the correction of a registered key: its name, owner and expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey
from tests.cast import a_key, said_by
from tests.pages.helpers import details, events, messages_of, reason_beside, text
from tests.support.row_check import wrong_keys

RIGHT = {"name": "Right name", "expires_date": "2098-05-01", "expires_time": "12:00", "reason": "A typo."}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def declared(cast) -> ApiKey:
    return a_key(cast.user, name="Wrong name", origin="declared", cerby_id=None)


def form_of(browser, key: ApiKey) -> dict[str, str]:
    """Return the fields of the form as a browser would send them."""
    form = browser.get(f"/keys/{key.pk}/correct/").context["form"]
    return {field.html_name: "" if field.value() is None else str(field.value()) for field in form}


def correct(browser, key: ApiKey, **changes: str):
    return browser.post(f"/keys/{key.pk}/correct/", form_of(browser, key) | changes)


def test_name_owner_and_expiry_are_corrected_and_recorded(admin, declared, cast):
    response = correct(admin, declared, **RIGHT, owner=cast.owner.email)
    page = admin.get(response["Location"])
    assert "is corrected" in messages_of(page)
    assert cast.owner.email in details(page)["Owner"]
    key = ApiKey.objects.get()
    assert (key.name, key.name_order, key.owner) == ("Right name", "right name", cast.owner)
    assert key.expires_at == datetime(2098, 5, 1, 12, tzinfo=UTC)
    [event] = events(type="key:correct")
    assert event.reason == "A typo."
    said = said_by(event)
    assert said["before"]["owner_email"] == cast.user.email
    assert said["after"] == {
        "name": "Right name", "owner_email": cast.owner.email, "expires_at": "2098-05-01T12:00:00+00:00",
    }  # fmt: skip
    assert cast.owner.email.encode() not in bytes(event.leaf)
    assert wrong_keys() == []


def test_only_what_changed_is_recorded(admin, declared):
    before = ApiKey.objects.get().expires_at
    assert correct(admin, declared, name="Right name", reason="A typo.").status_code == 302
    [event] = events(type="key:correct")
    assert said_by(event)["after"] == {"name": "Right name"}
    assert ApiKey.objects.get().expires_at == before
    assert correct(admin, declared, name="Right name", reason="Again.").status_code == 302
    assert len(events(type="key:correct")) == 1


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"owner": "nobody@contenzilla.example"}, "owner", "Cerby knows nobody"),
        ({"expires_date": "2001-01-01"}, "expires_date", "before the key was created"),
        ({"name": " "}, "name", "required"),
        ({"reason": ""}, "reason", "Say why"),
        ({"name": "Taken"}, "name", "already has a key"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_a_wrong_value_is_explained(admin, declared, changes, field, words):
    a_key(declared.owner, name="taken", origin="declared", cerby_id=None)
    response = correct(admin, declared, **{"reason": "A typo."} | changes)
    assert response.status_code == 422
    assert words in reason_beside(response, f"id_{field}")
    assert events(type="key:correct") == []


def test_a_key_that_cerby_confirms_is_not_corrected(admin, declared):
    given = form_of(admin, declared)
    ApiKey.objects.update(cerby_id=declared.pk)
    assert "cannot be corrected" in text(admin.get(f"/keys/{declared.pk}/correct/"))
    response = admin.post(f"/keys/{declared.pk}/correct/", given | RIGHT)
    assert response.status_code == 409
    assert ApiKey.objects.get().name == "Wrong name"


def test_two_people_do_not_overwrite_each_others_correction(admin, declared):
    stale = form_of(admin, declared)
    correct(admin, declared, name="First", reason="A typo.")
    response = admin.post(f"/keys/{declared.pk}/correct/", stale | {"name": "Second", "reason": "A typo."})
    assert response.status_code == 409
    assert ApiKey.objects.get().name == "First"


def test_a_correction_of_the_owner_marks_an_owner_who_has_left(admin, declared, cast):
    type(cast.guest).objects.filter(pk=cast.guest.pk).update(left_at=timezone.now() - timedelta(days=1))
    correct(admin, declared, owner=cast.guest.email, reason="Wrong person.")
    assert ApiKey.objects.get().owner_left_at is not None
