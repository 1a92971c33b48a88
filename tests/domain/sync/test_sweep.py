"""The sweep: new, changed, missing and orphaned keys, and the circuit breaker."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from keys import cerby
from keys.actions.keys.rescope import rescope_key
from keys.actions.sync import compare as compare_module
from keys.actions.sync import discover
from keys.actions.sync.compare import SweepResult, compare
from keys.actions.sync.owners import Owners
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.errors import CerbyError
from keys.rules.lifecycle import State, Status
from keys.rules.scopes import in_order
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.cerby_alerts import cerby_alerts
from tests.cast import a_key, a_live_key, actor, email_of, said_by, with_a_life
from tests.support.background import state_of, story_of

LONG_AGO = timedelta(days=2)
LIST = "GET /api/v1/api-keys"


@pytest.fixture
def workspace_of_ours(cast, sandbox):
    """Create the cast, and run a first sweep, which adds the portal's own key."""
    sweep()
    return cast


def the_change(key: ApiKey) -> tuple[dict, dict]:
    event = AuditEvent.objects.get(key_id=key.pk, type="key:change")
    assert (event.actor_name, event.outcome) == ("The portal", "done")
    said = said_by(event)
    return said["before"], said["after"]


def again(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def long_unseen() -> None:
    ApiKey.objects.update(confirmed_at=timezone.now() - timedelta(minutes=15))


def test_the_portals_own_key_is_discovered_once(cast, sandbox):
    assert sweep().discovered == 1
    key = ApiKey.objects.get()
    assert (key.name, key.origin, key.state) == ("Key portal", "discovered", State.HELD)
    assert (key.owner, key.purpose, key.missing_since) == (cast.owner, "", None)
    assert key.confirmed_at is not None
    assert story_of(key) == ["key:discover"]
    assert sweep().discovered == 0
    assert story_of(key) == ["key:discover"]


def test_others_can_write_while_many_keys_are_discovered(cast, sandbox, monkeypatch):
    now = timezone.now()
    for number in range(4):
        sandbox.add_key(
            owner_email=email_of("owner"),
            name=f"Key {number}",
            scopes=["read:users"],
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
    monkeypatch.setattr(discover, "AT_ONCE", 2)
    written: list[int] = []
    monkeypatch.setattr("time.sleep", lambda _: written.append(ApiKey.objects.count()))
    assert sweep().discovered == 5
    assert written == [2, 4]


def test_a_sweep_without_changes_records_nothing(workspace_of_ours, sandbox):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    before = AuditEvent.objects.count()
    found = sweep()
    assert (found.listed, found.discovered, found.changed, found.missing, found.revoked) == (2, 0, 0, 0, 0)
    assert str(found).startswith("2 of 2 live keys confirmed")
    assert AuditEvent.objects.count() == before
    assert again(key).confirmed_at == found.started_at


def test_a_discovered_key_adds_its_unknown_owner(workspace_of_ours, sandbox):
    email = "grace@contenzilla.example"
    person = sandbox.add_person(email=email, first_name="Grace", last_name="Hopper", role="workspace_admin")
    now = timezone.now()
    sandbox.add_key(
        owner_email=email, name="Legacy", scopes=["read:users"], created_at=now, expires_at=now + LONG_AGO
    )
    assert sweep().discovered == 1
    owner = User.objects.get(cerby_id=person)
    assert (owner.name, owner.is_active) == ("Grace Hopper", False)
    key = ApiKey.objects.get(name="Legacy")
    assert (key.owner, key.owner_email, key.scopes) == (owner, email, ["read:users"])


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ({"name": "Weekly"}, {"name": "Nightly"}, {"name": "Weekly"}),
        ({"scopes": ["read:items"]}, {"scopes": ["read:users"]}, {"scopes": ["read:items"]}),
        (
            {"owner_email": email_of("owner")},
            {"owner_email": email_of("admin")},
            {"owner_email": email_of("owner")},
        ),
    ],
)
def test_a_change_in_cerby_is_copied_and_recorded(workspace_of_ours, sandbox, change, before, after):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin, name="Nightly")
    sandbox.change_key(str(key.cerby_id), **change)
    assert sweep().changed == 1
    assert the_change(key) == (before, after)
    now = again(key)
    assert {name: getattr(now, name) for name in after} == after
    assert now.owner.email == now.owner_email
    assert (now.name_order, now.owner_order) == (now.name.casefold(), now.owner_name.casefold())
    assert sweep().changed == 0


def test_a_changed_expiry_is_recorded(workspace_of_ours, sandbox):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    later = timezone.now().replace(microsecond=0) + timedelta(days=90)
    sandbox.change_key(str(key.cerby_id), expires_at=later)
    sweep()
    _, after = the_change(key)
    assert datetime.fromisoformat(after["expires_at"]) == later == again(key).expires_at


def test_a_key_removed_in_cerby_is_removed_here(workspace_of_ours, sandbox):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    sandbox.change_key(str(key.cerby_id), removed=True)
    sweep()
    assert state_of(key) == State.REVOKED
    assert again(key).removed_at is not None
    assert the_change(key) == ({"status": Status.ACTIVE}, {"status": Status.REMOVED})


def test_a_key_removed_in_cerby_loses_its_sealed_bytes(workspace_of_ours, sandbox):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin, state=State.READY, stored_at=None)
    grant = RevealGrant.objects.create(
        key=key, user=key.owner, sealed=b"sealed", thumbprint="t", expires_at=timezone.now()
    )
    sandbox.change_key(str(key.cerby_id), removed=True)
    sweep()
    grant.refresh_from_db()
    assert (state_of(key), grant.state, grant.sealed) == (State.REVOKED, "gone", None)


def test_an_unlisted_key_is_marked_missing_once_until_it_is_listed_again(workspace_of_ours, sandbox):
    key = a_key(workspace_of_ours.admin)
    assert sweep().missing == 1
    since = again(key).missing_since
    assert since is not None
    assert sweep().missing == 0
    assert (again(key).missing_since, story_of(key)) == (since, ["key:miss"])
    upstream, _ = sandbox.add_key(
        owner_email=key.owner_email, name=key.name, scopes=key.scopes, external_id=str(key.pk),
        created_at=key.created_at, expires_at=key.expires_at,
    )  # fmt: skip
    sweep()
    assert again(key).missing_since is None
    assert again(key).cerby_id == uuid.UUID(upstream), "our own id, which Cerby keeps, wins"


def test_times_in_the_future_hide_nothing(workspace_of_ours, sandbox):
    """Somebody sets them in the database: one key seems confirmed, the other one just deleted."""
    later = timezone.now() + timedelta(days=900)
    gone = a_key(workspace_of_ours.admin, confirmed_at=later)
    ended, plain = a_live_key(
        sandbox, workspace_of_ours.admin, state=State.REVOKED, stored_at=None, removed_at=later
    )
    with_a_life(ended)
    assert (sweep().missing, again(gone).missing_since is not None) == (1, True)
    assert not sandbox.accepts(plain)


def broken_in_cerby(sandbox, key: ApiKey, columns: str) -> None:
    with sandbox.store.transaction() as db:
        db.execute(f"UPDATE api_keys SET {columns} WHERE id = ?", [str(key.cerby_id)])


def test_a_key_that_cannot_be_read_costs_that_key_and_is_not_missing(workspace_of_ours, sandbox):
    broken, gone, changed = (
        a_live_key(sandbox, workspace_of_ours.admin, created_at=timezone.now() - LONG_AGO)[0] for _ in "123"
    )
    long_unseen()
    sandbox.change_key(str(gone.cerby_id), gone=True)
    sandbox.change_key(str(changed.cerby_id), name="Renamed")
    broken_in_cerby(sandbox, broken, "created_at = 'yesterday', scopes = 'read:users'")
    result = sweep()
    assert (result.missing, result.changed) == (1, 1)
    assert again(broken).missing_since is None
    assert again(gone).missing_since is not None
    [alert] = [each for each in cerby_alerts(timezone.now()) if each.kind == AlertKind.VALUE_UNREADABLE]
    assert "“createdAt” of an API key cannot be read in one resource" in alert.words
    assert str(broken.cerby_id) in alert.words
    broken_in_cerby(sandbox, broken, "created_at = '2026-11-01T00:00:00Z'")
    sweep()
    assert cerby_alerts(timezone.now()) == []


def test_while_a_key_has_no_readable_id_no_key_is_missing(workspace_of_ours, sandbox):
    broken, gone = (
        a_live_key(sandbox, workspace_of_ours.admin, created_at=timezone.now() - LONG_AGO)[0] for _ in "12"
    )
    long_unseen()
    sandbox.change_key(str(gone.cerby_id), gone=True)
    broken_in_cerby(sandbox, broken, "id = 'seven'")
    assert sweep().missing == 0
    assert not ApiKey.objects.filter(missing_since__isnull=False).exists()
    [alert] = [each for each in cerby_alerts(timezone.now()) if each.kind == AlertKind.VALUE_UNREADABLE]
    assert "“id” of an API key cannot be read in one resource. The portal goes on" in alert.words


def test_a_new_key_is_not_missing(workspace_of_ours, sandbox):
    fresh = a_key(workspace_of_ours.admin, created_at=timezone.now())
    behind = a_key(workspace_of_ours.admin, confirmed_at=timezone.now())  # Cerby's clock is wrong
    assert sweep().missing == 0
    assert story_of(fresh) == story_of(behind) == []


@pytest.mark.parametrize("state", [State.ABSENT, State.REFUSED, State.REVOKED])
def test_a_key_that_has_ended_here_but_is_live_in_cerby_is_revoked(workspace_of_ours, sandbox, state):
    key, plain = a_live_key(sandbox, workspace_of_ours.admin, state=State.ABSENT, stored_at=None)
    known = {"cerby_id": None} if state == State.ABSENT else {}
    ApiKey.objects.filter(pk=key.pk).update(state=state, removed_at=timezone.now() - LONG_AGO, **known)
    with_a_life(again(key))
    assert sweep().revoked == 1
    assert (state_of(key), sandbox.accepts(plain)) == (State.REVOKED, False)
    assert story_of(key) == ["key:start-delete", "key:delete"]


def test_an_outdated_list_does_not_revoke_a_key_that_has_just_ended(workspace_of_ours, sandbox):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    ApiKey.objects.filter(pk=key.pk).update(state=State.REVOKED, removed_at=timezone.now())
    assert sweep().revoked == 0
    assert story_of(key) == []


@pytest.mark.parametrize(("count", "stops"), [(3, False), (4, True)])
def test_the_circuit_breaker_stops_at_more_than_three(workspace_of_ours, sandbox, count, stops):
    keys = [a_live_key(sandbox, workspace_of_ours.admin)[0] for _ in range(count)]
    ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(
        state=State.REVOKED, removed_at=timezone.now() - LONG_AGO
    )
    for key in keys:
        with_a_life(again(key))
    found = sweep()
    assert (found.quarantined, found.revoked) == (stops, 0 if stops else count)
    told = list(AuditEvent.objects.filter(type="sweep:stop").values_list("outcome", "details"))
    assert told == ([("failed", {"revocations": 4, "keys": 5})] if stops else [])
    assert ("quarantine: 4 held back" in str(found)) == stops


@pytest.mark.parametrize(
    ("fault", "breaks_off"),
    [
        ("list-page-missing", True),
        ("list-pages-doubled", True),
        ("list-shuffled", True),
        ("list-stale", False),
    ],
)
def test_an_incomplete_list_marks_no_key_missing(workspace_of_ours, sandbox, fault, breaks_off):
    for _ in range(150):  # two pages
        a_live_key(sandbox, workspace_of_ours.admin)
    rows = ApiKey.objects.count()
    sandbox.faults.set([{"fault": fault, "route": LIST, "seed": 7}])
    if breaks_off:
        with pytest.raises(CerbyError):
            sweep()
    else:
        sweep()
    assert sum(sandbox.faults.fired().values()) > 0
    assert not ApiKey.objects.filter(missing_since__isnull=False).exists()
    assert ApiKey.objects.count() == rows, "no row twice"


@pytest.mark.parametrize("where", ["here", "in Cerby"])
def test_an_outdated_list_does_not_undo_a_change(workspace_of_ours, sandbox, where):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    wanted = in_order([*key.scopes, "read:items"])
    if where == "here":
        rescope_key(actor(workspace_of_ours.admin), key.pk, "read:items", on=True)
    else:
        sandbox.change_key(str(key.cerby_id), scopes=wanted)
        sweep()
    before = story_of(key)
    sandbox.faults.set([{"fault": "list-stale", "route": LIST}])
    assert sweep().changed == 0
    assert sandbox.faults.fired()
    assert (again(key).scopes, story_of(key)) == (wanted, before)


def test_a_key_that_was_changed_and_changed_back_meanwhile_stays_as_it_is(
    workspace_of_ours, sandbox, monkeypatch
):
    """Its row has the scopes again that the sweep has read, but Cerby's answer is from the time in between."""
    admin = actor(workspace_of_ours.admin)
    key, _ = a_live_key(sandbox, workspace_of_ours.admin)
    rescope_key(admin, key.pk, "read:items", on=True)
    scopes, read_again = again(key).scopes, compare_module._read_again

    def read_in_between(upstream: cerby.UpstreamKey) -> cerby.UpstreamKey:
        sandbox.faults.set([])
        rescope_key(admin, key.pk, "read:items", on=False)
        found = read_again(upstream)
        rescope_key(admin, key.pk, "read:items", on=True)
        return found

    monkeypatch.setattr(compare_module, "_read_again", read_in_between)
    sandbox.faults.set([{"fault": "list-stale", "route": LIST}])
    assert sweep().changed == 0
    assert again(key).scopes == scopes
    assert "key:change" not in story_of(key)


def test_a_change_that_cannot_be_stored_does_not_stop_the_others(workspace_of_ours, sandbox, caplog):
    """Cerby allows a second key with the same name, the inventory does not."""
    a_live_key(sandbox, workspace_of_ours.admin, name="Nightly")
    key, _ = a_live_key(sandbox, workspace_of_ours.admin, name="Weekly")
    other, _ = a_live_key(sandbox, workspace_of_ours.admin, name="Hourly")
    sandbox.change_key(str(key.cerby_id), name="nightly")
    sandbox.change_key(str(other.cerby_id), scopes=["read:items"])
    found = sweep()
    assert (found.not_taken, found.changed) == (1, 1)
    assert "1 not updated" in str(found)
    assert "key_not_taken_over" in caplog.text
    assert again(other).scopes == ["read:items"]


def test_a_new_key_that_cannot_be_stored_does_not_stop_the_others(workspace_of_ours, sandbox, caplog):
    """Cerby allows an expiry before the creation, the inventory does not."""
    now = timezone.now()
    for name, ends in {
        "Nightly": now + LONG_AGO,
        "Never": now - 2 * LONG_AGO,
        "Weekly": now + LONG_AGO,
    }.items():
        sandbox.add_key(
            owner_email=email_of("admin"), name=name, scopes=["read:users"],
            created_at=now - LONG_AGO, expires_at=ends,
        )  # fmt: skip
    found = sweep()
    assert (found.discovered, found.not_taken) == (2, 1)
    assert "key_not_taken_over" in caplog.text
    assert set(ApiKey.objects.values_list("name", flat=True)) == {"Key portal", "Nightly", "Weekly"}
    assert AuditEvent.objects.filter(type="key:discover").count() == 3


def test_a_key_with_a_thousand_scopes_is_taken_over_like_any_other(workspace_of_ours, sandbox):
    """Its event has room for some of them only."""
    known, _ = a_live_key(sandbox, workspace_of_ours.admin, name="Known")
    assert known.cerby_id
    listed = cerby.connect().key(known.cerby_id)
    fine = replace(listed, id=uuid.uuid4(), external_id=None, name="Fine")
    scopes = tuple(f"read:{number}" for number in range(1000))
    greedy = replace(fine, id=uuid.uuid4(), name="New", scopes=scopes)
    page = [replace(listed, scopes=scopes), greedy, fine]
    result = SweepResult(started_at=timezone.now())
    compare(page, Owners(), result)
    assert (result.not_taken, result.changed, result.discovered) == (0, 1, 2)


def test_without_its_event_no_change_is_stored(workspace_of_ours, sandbox, fill_the_disk):
    key, _ = a_live_key(sandbox, workspace_of_ours.admin, name="Nightly")
    sandbox.change_key(str(key.cerby_id), name="Weekly")
    fill_the_disk()
    assert sweep().not_taken == 1
    assert again(key).name == "Nightly"
