"""After a restore, a person reviews the keys that the old inventory cannot explain; none is revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.safeguards.keep import keep_key
from keys.actions.safeguards.quarantine import Cause, end_quarantine, start_quarantine
from keys.actions.safeguards.rollback_guard import FILE_NAME, Clocks, check_for_rollback
from keys.actions.sync.sweep import sweep
from keys.jobs import tasks
from keys.jobs.schedule import make_rows
from keys.models import ApiKey, AuditEvent, HeldBack, Quarantine, RevealGrant
from keys.rules.lifecycle import State
from keys.selectors.health.safeguards import active_quarantine
from tests.cast import a_key, a_live_key, actor, with_a_life
from tests.support.asking import a_request
from tests.support.background import asked, let_pass_in_both, state_of, story_of
from tests.support.backups import copy_of_file, copy_of_rows
from tests.support.own_database import Address

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> Path:
    """Return the file in which this node stores the time of its last work."""
    settings.PORTAL_DATA_DIR = tmp_path
    return tmp_path


def the_worker_runs() -> None:
    make_rows()
    tasks.reconcile.func()
    tasks.sweep.func()


def time_goes_by(sandbox, amount: timedelta, file: Path) -> None:
    """Advance the time like ``let_pass_in_both``, and the times of the last work as well."""
    let_pass_in_both(sandbox, amount)
    row = Quarantine.objects.get()
    Quarantine.objects.update(marked_at=row.marked_at - amount)
    if file.exists():
        file.write_text((row.marked_at - amount).isoformat())


@pytest.fixture
def backup(database: Address, request: pytest.FixtureRequest) -> Callable[[], Callable[[], None]]:
    """Copy the database with ``restore = backup()``, and put the copy back with ``restore()``."""
    if isinstance(database, Path):
        return lambda: copy_of_file(database)
    return lambda: copy_of_rows(request.getfixturevalue("postgresql"))


def held() -> dict[str, str]:
    return {row.key.name: row.reason for row in HeldBack.objects.select_related("key")}


def cause() -> str:
    found = active_quarantine()
    return found.cause if found else ""


class Yesterday:
    """Create a running portal, its backup, and actions of people after the backup."""

    def __init__(self, cast, sandbox, backup, file: Path) -> None:
        self.sandbox, self.file, self.admin = sandbox, file, actor(cast.admin)
        the_worker_runs()
        self.waiting = a_request(name="Viewed since")
        issue_key(self.admin, self.waiting)
        self.gone, _ = a_live_key(sandbox, cast.admin, name="Deleted since")
        self.ended, self.ended_plain = a_live_key(sandbox, cast.admin, name="Ended, and live in Cerby")
        removed = timezone.now() - HOUR
        ApiKey.objects.filter(pk=self.ended.pk).update(state=State.REVOKED, removed_at=removed)
        with_a_life(ApiKey.objects.get(pk=self.ended.pk))
        self.restore = backup()

        claim_key(self.admin, self.waiting.id, session="s")
        acknowledge_key(self.admin, self.waiting.id)
        delete_key(self.admin, self.gone.pk)
        self.new = a_request(name="Made since")
        issue_key(self.admin, self.new)
        tasks.reconcile.func()

    def is_live(self, name: str) -> bool:
        return [key["status"] for key in self.sandbox.api_keys() if key["name"] == name] == ["active"]


@pytest.fixture
def yesterday(committed_cast, sandbox, backup, data_dir: Path) -> Yesterday:
    return Yesterday(committed_cast, sandbox, backup, data_dir / FILE_NAME)


def test_after_a_restore_the_worker_revokes_nothing_and_starts_the_quarantine(yesterday, sandbox):
    yesterday.restore()
    let_pass_in_both(sandbox, HOUR)
    the_worker_runs()
    the_worker_runs()
    assert cause() == Cause.RESTORED
    assert "a backup was restored" in active_quarantine().reason
    assert len(asked(sandbox, "DELETE")) == 1, "the one of before"
    for name in ("Viewed since", "Made since", "Ended, and live in Cerby"):
        assert yesterday.is_live(name), name
    assert set(held()) == {"Viewed since", "Ended, and live in Cerby"}
    assert ApiKey.objects.get(name="Made since").origin == ApiKey.Origin.DISCOVERED
    assert state_of(yesterday.gone) == State.REVOKED, "what was deleted since is known to be"
    [started] = AuditEvent.objects.filter(type="quarantine:start")
    assert (started.actor_name, started.details) == ("The portal", {"cause": "restored"})


def test_control_without_the_quarantine_the_keys_in_use_are_revoked(yesterday, sandbox):
    """Without the file and the check for silence, the circuit breaker alone allows up to three revocations."""
    yesterday.restore()
    yesterday.file.unlink()
    let_pass_in_both(sandbox, HOUR)
    reconcile_due()
    sweep()
    assert not yesterday.is_live("Viewed since")
    assert not yesterday.is_live("Ended, and live in Cerby")


def test_when_it_ends_kept_keys_stay_and_the_others_are_revoked(yesterday, sandbox, committed_cast):
    yesterday.restore()
    let_pass_in_both(sandbox, HOUR)
    the_worker_runs()
    owner = actor(committed_cast.owner)
    kept = keep_key(owner, yesterday.waiting.id)
    assert (kept.state, state_of(kept)) == (State.HELD, State.HELD)
    assert RevealGrant.objects.get(key=kept).sealed is None
    assert end_quarantine(owner) == 1
    the_worker_runs()
    assert cause() == ""
    assert yesterday.is_live("Viewed since")
    assert yesterday.is_live("Made since")
    assert not yesterday.is_live("Ended, and live in Cerby")
    assert story_of(yesterday.ended)[-2:] == ["key:start-delete", "key:delete"]
    assert not HeldBack.objects.exists()
    told = AuditEvent.objects.filter(type__in=["key:keep", "quarantine:end"]).order_by("id")
    assert [(event.type, event.actor_email) for event in told] == [
        ("key:keep", committed_cast.owner.email),
        ("quarantine:end", committed_cast.owner.email),
    ]
    assert told[1].details == {"keys": 1}


def test_a_restore_on_another_machine_is_noticed_by_newer_keys(yesterday, sandbox, data_dir):
    yesterday.restore()
    yesterday.file.unlink()
    time_goes_by(sandbox, HOUR, yesterday.file)
    sandbox.clock.offset -= HOUR
    make_rows()
    tasks.reconcile.func()
    assert cause() == ""
    assert len(asked(sandbox, "DELETE")) == 1, "it looks at Cerby first"
    tasks.sweep.func()
    assert cause() == Cause.UNKNOWN_KEYS
    ApiKey.objects.filter(pk=yesterday.waiting.id).update(due_at=timezone.now())
    tasks.reconcile.func()
    assert yesterday.is_live("Viewed since")
    assert set(held()) == {"Viewed since", "Ended, and live in Cerby"}


def test_switching_the_portal_off_for_a_night_does_not_start_it(cast, sandbox, data_dir):
    the_worker_runs()
    lost = a_request(name="Never viewed")
    issue_key(actor(cast.admin), lost)
    a_live_key(sandbox, cast.admin, name="Of yesterday")
    time_goes_by(sandbox, 12 * HOUR, data_dir / FILE_NAME)
    tasks.reconcile.func()
    assert ApiKey.objects.get(pk=lost.id).state == State.READY, "Cerby is looked at first"
    tasks.sweep.func()
    tasks.reconcile.func()
    assert (cause(), held()) == ("", {})
    ApiKey.objects.filter(pk=lost.id).update(due_at=timezone.now())
    tasks.reconcile.func()
    assert ApiKey.objects.get(pk=lost.id).state == State.REVOKED


def test_after_a_silence_other_peoples_keys_do_not_start_it(cast, sandbox, data_dir):
    the_worker_runs()
    time_goes_by(sandbox, HOUR, data_dir / FILE_NAME)
    now = timezone.now()
    facts = {"scopes": ["read:users"], "created_at": now - MINUTE, "expires_at": now + HOUR}
    sandbox.add_key(owner_email=cast.owner.email, name="By hand", **facts)
    older = facts | {"created_at": now - 3 * HOUR}
    sandbox.add_key(
        owner_email=cast.owner.email, name="Another portal's", external_id=str(cast.owner.cerby_id), **older
    )
    the_worker_runs()
    assert cause() == ""


@pytest.mark.parametrize(
    ("ahead", "said"), [(timedelta(hours=2), "ahead by 120 minutes"), (-6 * MINUTE, "back by 6 minutes")]
)
def test_a_clock_that_jumps_starts_it(db, ahead, said):
    wall, steady = [1000.0], [50.0]
    clocks = Clocks(lambda: wall[0], lambda: steady[0])
    check_for_rollback(clocks)
    wall[0] += 3600
    steady[0] += 3600
    check_for_rollback(clocks)
    assert cause() == ""
    wall[0] += 30 + ahead.total_seconds()
    steady[0] += 30
    check_for_rollback(clocks)
    assert cause() == Cause.CLOCK
    assert said in active_quarantine().reason


def test_a_database_with_later_times_starts_it_once(db):
    check_for_rollback()
    Quarantine.objects.update(marked_at=timezone.now() + HOUR)
    check_for_rollback()
    assert (cause(), "the clock was set back" in active_quarantine().reason) == (Cause.CLOCK, True)
    end_quarantine(None)
    check_for_rollback()
    assert cause() == ""


def test_clocks_of_nodes_may_differ_by_seconds(db):
    check_for_rollback()
    Quarantine.objects.update(marked_at=timezone.now() + timedelta(seconds=40))  # from another node
    check_for_rollback()
    check_for_rollback()
    assert cause() == ""


def test_a_read_only_folder_does_not_stop_the_work(db, settings, caplog):
    settings.PORTAL_DATA_DIR = Path("/proc/nowhere")
    check_for_rollback()
    assert "last_work_not_written" in caplog.text
    assert Quarantine.objects.get().marked_at is not None


@pytest.fixture
def too_many(cast, sandbox) -> list[ApiKey]:
    """Create four ended keys that somebody restored in Cerby."""
    keys = [a_live_key(sandbox, cast.admin)[0] for _ in range(4)]
    ended = {"state": State.REVOKED, "removed_at": timezone.now() - HOUR}
    ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(**ended)
    return [with_a_life(key) for key in ApiKey.objects.filter(pk__in=[key.pk for key in keys])]


def test_the_circuit_breaker_starts_it_and_approved_keys_do_not_trip_it_again(too_many, sandbox, cast):
    sweep()
    assert (cause(), len(held())) == (Cause.TOO_MANY, 4)
    end_quarantine(actor(cast.super_admin))
    found = sweep()
    assert (found.revoked, cause()) == (4, "")
    assert {state_of(key) for key in too_many} == {State.REVOKED}


def test_keys_without_approval_trip_the_circuit_breaker_again(too_many, sandbox, cast):
    start_quarantine(Cause.OPERATOR, "For a look.")
    end_quarantine(None)
    assert sweep().revoked == 0
    assert cause() == Cause.TOO_MANY


def test_while_it_is_on_the_reconciler_holds_keys_back_and_does_its_other_work(cast, sandbox):
    now = timezone.now()
    due = {"due_at": now, "stored_at": None}
    start_quarantine(Cause.OPERATOR, "A restore.")
    ready, _ = a_live_key(sandbox, cast.admin, name="Ready", state=State.READY, **due)
    claimed, _ = a_live_key(sandbox, cast.admin, name="Claimed", state=State.CLAIMED, **due)
    revoking, _ = a_live_key(sandbox, cast.admin, name="Revoking", state=State.REVOKING, **due)
    doubt, _ = a_live_key(sandbox, cast.admin, name="In doubt", state=State.IN_DOUBT, lease_until=now, **due)
    ApiKey.objects.filter(pk=doubt.pk).update(cerby_id=None)
    request = a_key(cast.admin, name="Requested", state=State.REQUESTED, cerby_id=None, **due)
    for key in (ready, claimed, revoking, doubt, request):
        with_a_life(ApiKey.objects.get(pk=key.pk))
    reconcile_due()
    assert set(held()) == {"Ready", "Claimed", "Revoking", "In doubt"}
    assert [state_of(key) for key in (ready, claimed, revoking, doubt, request)] == [
        State.READY, State.CLAIMED, State.REVOKING, State.IN_DOUBT, State.ABSENT,
    ]  # fmt: skip
    assert asked(sandbox, "DELETE") == []


def test_a_person_may_still_delete_keys(cast, sandbox):
    key, plain = a_live_key(sandbox, cast.admin, state=State.READY, due_at=timezone.now(), stored_at=None)
    with_a_life(key)
    start_quarantine(Cause.OPERATOR, "A restore.")
    reconcile_due()
    assert held()
    delete_key(actor(cast.admin), key.pk)
    assert (sandbox.accepts(plain), held()) == (False, {})
