"""Rotate: the form of the new key, and what it takes from the old one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from keys.evidence.rotation_rows import changed_rotations
from keys.models import ApiKey, Rotation
from keys.rules.lifecycle import State
from tests.cast import a_live_key
from tests.domain.rotation.steps import a_rotation
from tests.pages.helpers import elements, events, links, text
from tests.pages.journey import answers

DAY = timedelta(days=1)


@pytest.fixture
def key(cast, sandbox):
    return a_live_key(
        sandbox,
        cast.admin,
        name="Nightly export",
        purpose="Exports the payroll.",
        scopes=["read:users", "read:teams"],
        team="Data",
        tags=["payroll"],
    )[0]


def url(key: ApiKey) -> str:
    return f"/keys/{key.pk}/rotate/"


def filled(**changes: Any) -> dict[str, Any]:
    usual = {"because": "scheduled", "overlap": "3d", "name": "Nightly export · r2"}
    return answers(**usual | changes)


def test_the_form_has_the_values_of_the_old_key(browser_of, key):
    admin = browser_of("admin")
    assert links(admin.get(f"/keys/{key.pk}/"))["Rotate"] == url(key)
    page = admin.get(url(key))
    values = {field["name"]: field.get("value") for field in map(attributes, elements(page, "input"))}
    assert values["name"] == "Nightly export · r2"
    assert (values["team"], values["tags"]) == ("Data", "payroll")
    ticked = [each for each in map(attributes, elements(page, "input", name="scopes")) if "checked" in each]
    assert [each["value"] for each in ticked] == ["read:users", "read:teams"]
    assert "act as you" not in text(page)
    assert "The old key acts as Admin Person" in text(browser_of("owner").get(url(key)))


def attributes(element: Any) -> dict[str, str | None]:
    return dict(element.attributes)


def test_the_new_key_is_generated_on_the_ordinary_path(browser_of, cast, key):
    admin, sent = browser_of("admin"), filled(team="Data", scopes=["read:teams"])
    answer = admin.post(url(key), sent)
    assert answer["Location"] == f"/keys/{sent['id']}/store/"
    rotation = Rotation.objects.select_related("new").get(old=key)
    assert (rotation.new.state, rotation.new.scopes) == (State.READY, ["read:teams"])
    assert (rotation.new.team, rotation.new.owner_id) == ("Data", cast.admin.pk)
    assert (rotation.overlap, rotation.started_by) == (3 * 86400, cast.admin)
    assert admin.post(url(key), sent)["Location"] == answer["Location"]
    assert Rotation.objects.count() == 1
    assert admin.get(url(key))["Location"] == f"/rotations/{rotation.pk}/"
    for one in (key.pk, sent["id"]):
        shown = text(admin.get(f"/keys/{one}/"))
        assert "The new key is stored: not proved" in shown
        assert "The old key is quiet: not proved" in shown


def test_other_scopes_and_a_missing_purpose_are_refused_and_the_input_is_kept(browser_of, key):
    admin = browser_of("admin")
    refused = admin.post(url(key), filled(scopes=["read:items"], purpose=""))
    assert refused.status_code == 422
    assert "A rotation can remove scopes, not add any." in text(refused)
    assert "The purpose is missing." in text(refused)
    assert not Rotation.objects.exists()


def test_if_cerby_refuses_the_old_key_is_untouched_and_the_form_has_a_new_id(browser_of, key, settings):
    admin, sent = browser_of("admin"), filled()
    admin.get("/")  # the role is confirmed while Cerby answers
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    refused = admin.post(url(key), sent)
    assert refused.status_code in {502, 503}
    assert "The old key was not touched." in text(refused)
    [hidden] = elements(refused, "input", name="id")
    assert attributes(hidden)["value"] != sent["id"]
    key.refresh_from_db()
    assert key.state == State.HELD


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"expires_at": timedelta(seconds=-1)}, "has expired"),
        ({"state": State.READY}, "Only an active key"),
    ],
)
def test_a_key_that_cannot_be_rotated_says_why(browser_of, key, columns, words):
    now = timezone.now()
    changes = {
        name: now + value if isinstance(value, timedelta) else value for name, value in columns.items()
    }
    ApiKey.objects.filter(pk=key.pk).update(created_at=now - timedelta(days=2), **changes)
    admin = browser_of("admin")
    assert words in text(admin.get(url(key)))
    assert "Rotate" not in links(admin.get(f"/keys/{key.pk}/"))


def test_in_assisted_mode_people_prove_each_step_until_the_old_key_is_deleted_in_cerby(
    browser_of, cast, sandbox, key, settings
):
    """Go the whole way by URLs alone. Four days pass after the new key is stored."""
    settings.CERBY_ISSUE_MODE = "assisted"
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + 90 * DAY)
    admin, sent = browser_of("admin"), filled(tab_key=None, overlap="7d")
    paste = f"/keys/{sent['id']}/paste/"
    assert admin.post(url(key), sent)["Location"] == paste
    now = timezone.now()
    facts = {"scopes": ["read:users"], "created_at": now, "expires_at": now + 90 * DAY}
    plain = sandbox.add_key(owner_email=cast.admin.email, name="By hand", **facts)[1]
    admin.post(paste, {"api_key": plain})
    admin.post(f"/keys/{sent['id']}/store/done/")
    page = text(admin.get(f"/keys/{key.pk}/"))
    assert "The new key is stored: proved" in page
    assert "The new key is used: not proved reading by a person" in page
    assert "No reading yet" in page

    with pytest.MonkeyPatch.context() as patch:
        real_now = timezone.now
        patch.setattr(timezone, "now", lambda: real_now() + 4 * DAY)
        _prove_and_retire(browser_of("admin"), key, sent["id"])


def _prove_and_retire(admin: Client, key: ApiKey, new: str) -> None:
    """Enter readings by which the new key has been used and the old one not, then retire the old key."""
    day = timezone.localdate() - 2 * DAY
    admin.post(f"/keys/{new}/reading/", {"last_used": day.isoformat()})
    admin.post(f"/keys/{key.pk}/reading/", {"last_used": (day - 2 * DAY).isoformat()})
    rotation = Rotation.objects.get(new__pk=UUID(new))
    assert rotation.state == "quiet"
    page = text(admin.get(f"/rotations/{rotation.pk}/"))
    assert "The old key is quiet: proved reading by a person" in page
    assert page.count("Reading by Admin Person") == 2
    answer = admin.post(f"/rotations/{rotation.pk}/retire/")
    assert answer["Location"] == f"/keys/{key.pk}/removal/"

    assert "This key may still work" in text(admin.get(answer["Location"]))
    assert "Retired" in text(admin.get(f"/rotations/{rotation.pk}/"))
    done = admin.post(f"/keys/{key.pk}/removal/confirm/", {"deleted": "on"})
    assert done.status_code == 302
    key.refresh_from_db()
    rotation = Rotation.objects.select_related("new").get(pk=rotation.pk)
    assert (key.state, rotation.state, rotation.new.state) == (State.REVOKED, "retired", State.HELD)
    assert rotation.proof == "quiet"
    page = text(admin.get(f"/rotations/{rotation.pk}/"))
    assert "proof: the new key was used, and the old one was quiet" in page
    story = events(key_id=key.pk)
    assert [event.type for event in story if event.type != "key:reading"] == [
        "rotation:start",
        *["rotation:advance"] * 3,
        "rotation:retire",
        "key:start-delete",
        "key:confirm-removal",
    ]
    assert list(changed_rotations()) == []


def test_my_keys_offers_it_for_a_key_that_expires_soon(browser_of, key):
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=3))
    offered = {address: words for words, address in links(browser_of("admin").get("/keys/mine/")).items()}
    assert offered[url(key)].startswith("Rotate it")


def test_the_key_of_a_rotation_that_is_over_can_be_rotated_again(browser_of, cast, key, sandbox):
    new = a_live_key(sandbox, cast.admin, lineage=key.pk, generation=2)[0]
    a_rotation(key, new, state="retired", ended_at=timezone.now())
    assert links(browser_of("admin").get(f"/keys/{new.pk}/"))["Rotate"] == url(new)
