"""Keys, people and rules as of a past time, reconstructed from rows and the log."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from keys.actions.people.add import add_person
from keys.actions.people.refresh import refresh_person
from keys.actions.people.remove import remove_person
from keys.evidence.keys_as_of import keys_as_of
from keys.evidence.people_as_of import people_as_of
from keys.evidence.policy_as_of import note_policy
from keys.rules.permissions import Action
from tests.cast import a_key, an_event
from tests.support.packs import A_DAY, A_MOMENT, since_yesterday, time_of, unpacked


def test_a_key_is_shown_as_it_was_at_each_point_of_its_life(kept):
    def then(kind: str, *, just_before: bool = False) -> list[tuple[Any, ...]]:
        found = keys_as_of(time_of(kind) - (A_MOMENT if just_before else timedelta()), {})
        return [
            (key.status, key.caveat, key.scopes, bool(key.stored_at), bool(key.removed_at)) for key in found
        ]

    one, two = ["read:users"], ["read:users", "read:teams"]
    assert then("key:request", just_before=True) == []
    assert then("key:call") == [("Pending", "", one, False, False)]
    assert then("key:issue") == [("Active", "storage unconfirmed", one, False, False)]
    assert then("key:store") == [("Active", "", one, True, False)]
    assert then("key:start-rescope") == [("Active", "", one, True, False)]
    assert then("key:rescope", just_before=True) == [("Active", "", one, True, False)]
    assert then("key:rescope") == [("Active", "", two, True, False)]
    assert then("key:delete", just_before=True)[0][:3] == ("Removed", "removal unconfirmed", two)
    assert then("session:end") == [("Removed", "", two, True, True)]


def test_a_key_is_active_until_it_expires(db, cast):
    now = timezone.now()
    a_key(cast.user, created_at=now - 3 * A_DAY, expires_at=now - A_DAY)
    assert [key.status for at in (now - 2 * A_DAY, now) for key in keys_as_of(at, {})] == [
        "Active",
        "Expired",
    ]


def test_later_changes_from_cerby_are_undone(db, cast):
    noon = timezone.now() - A_DAY
    key = a_key(cast.user, name="New name", scopes=["read:teams"], created_at=noon - A_DAY)
    before = {"name": "Old name", "scopes": ["read:users"], "owner_email": "before@contenzilla.example"}
    after = {"name": "New name", "scopes": ["read:teams"], "owner_email": cast.user.email}
    an_event(
        type="key:change",
        key_id=key.pk,
        key_name="Old name",
        at=noon,
        details={"before": before, "after": after},
    ).save()
    [then] = keys_as_of(noon - A_MOMENT, {})
    assert (then.name, then.scopes, then.owner_email) == (
        "Old name",
        ["read:users"],
        "before@contenzilla.example",
    )
    assert then.note.startswith("The audit log has this key only since ")
    [now] = keys_as_of(noon, {})
    assert (now.name, now.scopes, now.owner_email) == ("New name", ["read:teams"], cast.user.email)


def test_a_key_without_events_is_shown_from_its_row_with_a_note(db, cast):
    now = timezone.now()
    a_key(cast.user, state="revoked", created_at=now - 3 * A_DAY, removed_at=now - A_DAY, last_used_at=now)
    [before] = keys_as_of(now - 2 * A_DAY, {})
    [after] = keys_as_of(now, {})
    assert (before.status, before.removed_at, before.last_used_at) == ("Active", None, None)
    assert (after.status, after.last_used_at) == ("Removed", now)
    assert (
        before.note == after.note == "The audit log has no event about this key; the values are from its row."
    )
    assert list(keys_as_of(now - 4 * A_DAY, {})) == []


def test_a_key_discovered_later_is_included_with_a_note(db, cast):
    now = timezone.now()
    key = a_key(cast.user, origin="discovered", purpose="Found.", created_at=now - 3 * A_DAY)
    an_event(type="key:discover", key_id=key.pk, key_name=key.name, at=now - A_DAY,
             details={"cerby_id": "c", "scopes": ["read:users"], "expires_at": key.expires_at.isoformat()}).save()  # fmt: skip
    an_event(type="key:adopt", key_id=key.pk, key_name=key.name, at=now, details={"purpose": "Found."}).save()
    purposes = {}
    for at in (now - 2 * A_DAY, now - A_DAY, now):
        [then] = keys_as_of(at, {})
        assert then.status == "Active"
        purposes[at] = (then.purpose, bool(then.note))
    assert list(purposes.values()) == [("", True), ("", False), ("Found.", False)]


def test_many_keys_are_read_in_pages_without_omissions(db, cast, monkeypatch):
    monkeypatch.setattr("keys.evidence.keys_as_of.PAGE", 3)
    made = sorted(str(a_key(cast.user).pk) for _ in range(7))
    assert [str(key.id) for key in keys_as_of(timezone.now(), {})] == made


def test_people_have_their_former_roles(db, cast, workspace):
    before = timezone.now()
    workspace.sandbox.add_person(
        email="new@contenzilla.example", first_name="Nora", last_name="New", role="workspace_user"
    )
    add_person("new@contenzilla.example")
    added = timezone.now()
    workspace.sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    refresh_person(cast.admin)
    remove_person("new@contenzilla.example")

    def roles(at: datetime) -> dict[str, tuple[str, str]]:
        return {person.email: (person.role, person.may_sign_in) for person in people_as_of(at).people}

    assert (
        roles(before)["admin@contenzilla.example"]
        == roles(added)["admin@contenzilla.example"]
        == ("Admin", "yes")
    )
    assert roles(timezone.now())["admin@contenzilla.example"] == ("User", "yes")
    assert roles(before)["new@contenzilla.example"] == ("User", "no")
    assert roles(added)["new@contenzilla.example"] == ("User", "yes")
    assert roles(timezone.now())["new@contenzilla.example"] == ("User", "no")


def test_the_policy_of_that_time_is_used(db, settings, tmp_path):
    assert note_policy()
    assert not note_policy()
    then = timezone.now()
    settings.PORTAL_MAX_LIFETIME_DAYS = 30
    settings.PORTAL_KEY_MANAGEMENT = "owner-only"

    def policy(folder: str, **how: Any) -> Any:
        return json.loads((unpacked(since_yesterday(**how), tmp_path / folder) / "policy.json").read_text())

    now = policy("now")
    assert now["settings"]["PORTAL_MAX_LIFETIME_DAYS"] == 30
    assert now["rules"]["key:delete"]["own key"] == "is required"
    earlier = policy("then", as_of=then)
    assert earlier["settings"]["PORTAL_MAX_LIFETIME_DAYS"] == 366
    assert earlier["rules"]["key:delete"]["roles"] == ["Admin", "Super Admin", "Owner"]
    assert earlier["rules"].keys() == {action.value for action in Action}
    assert policy("before", as_of=then - A_DAY) is None
