"""Test that an admin can give a discovered key a purpose, once."""

from __future__ import annotations

import pytest
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import a_key, said_by
from tests.pages.helpers import elements, events, messages_of, reason_beside, text, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def discovered(cast) -> ApiKey:
    return a_key(cast.user, origin="discovered", purpose="")


def adopt(browser, key: ApiKey, purpose: str):
    return browser.post(f"/keys/{key.pk}/adopt/", {"purpose": purpose})


def asks(browser, key: ApiKey) -> bool:
    return "Adopt this key" in [words(title) for title in elements(browser.get(f"/keys/{key.pk}/"), "h2")]


def test_its_purpose_is_recorded_and_its_owner_stays(admin, discovered):
    assert asks(admin, discovered)
    response = adopt(admin, discovered, "  Exports\nthe payroll. ")
    assert "adopted" in messages_of(admin.get(response["Location"]))
    kept = ApiKey.objects.get()
    assert (kept.purpose, kept.owner_id, kept.origin) == (
        "Exports the payroll.",
        discovered.owner_id,
        "discovered",
    )
    [event] = events(type="key:adopt")
    answers = {"id": str(kept.accountable_id), "email": "admin@contenzilla.example"}
    assert said_by(event) == {"purpose": kept.purpose, "accountable": answers}
    assert event.actor_email == kept.accountable_email == "admin@contenzilla.example"
    assert not asks(admin, discovered)


@pytest.mark.parametrize(
    ("purpose", "reason"), [("  ", "The purpose is missing"), ("x" * 501, "501 characters")]
)
def test_an_invalid_purpose_is_explained_and_kept_in_the_form(admin, discovered, purpose, reason):
    response = adopt(admin, discovered, purpose)
    assert response.status_code == 422
    assert reason in reason_beside(response, "id_purpose")
    assert ApiKey.objects.get().purpose == ""
    assert events() == []


def test_it_is_asked_once_and_of_discovered_keys_only(admin, cast, discovered):
    adopt(admin, discovered, "Exports.")
    assert adopt(admin, discovered, "Another.").status_code == 409
    ours = a_key(cast.owner, purpose="")
    assert not asks(admin, ours)
    assert adopt(admin, ours, "Exports.").status_code == 409
    assert len(events(type="key:adopt")) == 1


def test_its_own_owner_is_not_asked(browser_of, discovered):
    user = browser_of("user")
    assert not asks(user, discovered)
    assert adopt(user, discovered, "Exports.").status_code == 403
    assert "Adopt this key" not in text(user.get(f"/keys/{discovered.pk}/"))


@pytest.mark.parametrize("state", [State.REVOKED, State.REVOKING])
def test_a_removed_key_offers_no_adoption(admin, discovered, state):
    removed = {"removed_at": timezone.now()} if state is State.REVOKED else {}
    ApiKey.objects.filter(pk=discovered.pk).update(state=state, **removed)
    assert not asks(admin, discovered)
    assert adopt(admin, discovered, "Exports.").status_code == 409
    assert ApiKey.objects.get(pk=discovered.pk).purpose == ""
