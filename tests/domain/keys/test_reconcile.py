"""The reconciler: each state and its timer."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from keys.actions.keys.reconcile import reconcile, reconcile_due
from keys.audit import log
from keys.models import ApiKey, AuditEvent, RevealGrant
from keys.rules.events import Event
from keys.rules.lifecycle import State
from tests.cast import BEFORE_THE_TEST, a_key, a_live_key, with_a_life
from tests.support.background import asked, due_in, let_pass, reconcile_now, state_of, story_of
from tests.support.racing import race

CLOSED_PORT = "http://127.0.0.1:9"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def never_made(owner, state: State, **columns: Any) -> ApiKey:
    """Create a row whose key Cerby does not know."""
    now = timezone.now()
    times = {"created_at": now, "due_at": now, "lease_until": now}
    lease = {"lease": uuid.uuid4()} if state == State.CALLING else {}
    return with_a_life(a_key(owner, state=state, cerby_id=None, stored_at=None, **times | lease | columns))


def made(sandbox, owner, state: State, **columns: Any) -> ApiKey:
    """Create a row in ``state`` whose key is live in Cerby, without the columns that ``state`` must not have."""
    key, _ = a_live_key(sandbox, owner, stored_at=None)
    changes: dict[str, Any] = {"state": state, "due_at": timezone.now(), "lease_until": timezone.now()}
    if state in {State.CALLING, State.IN_DOUBT}:
        changes["cerby_id"] = None
    if state == State.CALLING:
        changes["lease"] = uuid.uuid4()
    ApiKey.objects.filter(pk=key.pk).update(**changes | columns)
    if state == State.READY:
        RevealGrant.objects.create(
            key=key, user=owner, sealed=b"sealed", thumbprint="t", expires_at=timezone.now() + 15 * MINUTE
        )
    return with_a_life(ApiKey.objects.get(pk=key.pk))


def is_live(sandbox, key: ApiKey) -> bool:
    (upstream,) = [each for each in sandbox.api_keys() if each["external_id"] == str(key.pk)]
    return upstream["status"] == "active"


def test_if_no_key_is_due_nothing_happens(cast, sandbox):
    a_key(cast.admin)
    never_made(cast.admin, State.IN_DOUBT, due_at=timezone.now() + MINUTE)
    assert reconcile_due() == 0
    assert sandbox.journal() == []
    assert not AuditEvent.objects.exclude(reason=BEFORE_THE_TEST).exists()


def test_a_request_that_no_process_continued_is_cancelled(cast, sandbox):
    key = never_made(cast.admin, State.REQUESTED)
    assert reconcile_due() == 1
    assert (state_of(key), due_in(key)) == (State.ABSENT, None)
    assert story_of(key) == ["key:cancel"]
    assert sandbox.journal() == []


@pytest.mark.parametrize("state", [State.CALLING, State.IN_DOUBT])
def test_a_lost_key_that_cerby_lists_is_revoked_at_once(cast, sandbox, state):
    key = made(sandbox, cast.admin, state)
    reconcile_due()
    assert (state_of(key), is_live(sandbox, key)) == (State.REVOKED, False)
    lost = ["key:lose-answer"] if state == State.CALLING else []
    assert story_of(key) == [*lost, "key:look-up", "key:delete"]


@pytest.mark.parametrize("state", [State.CALLING, State.IN_DOUBT])
def test_a_lost_key_that_cerby_does_not_list_counts_as_absent_only_after_15_minutes(cast, sandbox, state):
    key = never_made(cast.admin, state)
    reconcile_due()
    assert state_of(key) == State.IN_DOUBT
    assert timedelta() < due_in(key) <= 30 * SECOND
    let_pass(14 * MINUTE)
    reconcile_now()
    assert state_of(key) == State.IN_DOUBT
    let_pass(MINUTE)
    reconcile_now()
    assert (state_of(key), due_in(key)) == (State.ABSENT, None)
    assert story_of(key)[-1] == "key:look-up"
    assert story_of(key).count("key:look-up") == 1, "the reconciler's fruitless look-ups are not recorded"


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.CALLING, State.CLAIMED])
def test_while_cerby_is_down_it_is_due_again(cast, sandbox, state):
    key = made(sandbox, cast.admin, state)
    with override_settings(CERBY_BASE_URL=CLOSED_PORT):
        reconcile_due()
    assert state_of(key) == (State.IN_DOUBT if state == State.CALLING else state)
    assert timedelta() < due_in(key) <= 30 * SECOND


def test_a_key_that_nobody_viewed_is_revoked_with_its_sealed_bytes(cast, sandbox):
    key = made(sandbox, cast.admin, State.READY)
    reconcile_due()
    assert (state_of(key), is_live(sandbox, key)) == (State.REVOKED, False)
    grant = RevealGrant.objects.get(key=key)
    assert (grant.state, grant.sealed) == ("gone", None)
    assert story_of(key) == ["key:start-delete", "key:delete"]
    assert AuditEvent.objects.filter(reason__contains="15 minutes").count() == 1


def test_a_viewed_key_that_nobody_confirmed_and_nobody_uses_is_revoked(cast, sandbox):
    key = made(sandbox, cast.admin, State.CLAIMED)
    reconcile_due()
    assert (state_of(key), is_live(sandbox, key)) == (State.REVOKED, False)


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.READY, State.CLAIMED, State.REVOKING])
def test_a_row_that_no_event_explains_deletes_nothing(cast, sandbox, state):
    key, _ = a_live_key(sandbox, cast.admin, state=state, due_at=timezone.now(), stored_at=None)
    log.append(Event.KEY_REMINDED, actor=cast.admin.as_actor(), key=key)  # somebody may act on such a row
    for _ in range(2):
        reconcile_now()
    assert (state_of(key), is_live(sandbox, key)) == (state, True)
    assert story_of(key) == ["key:remind", "key:repair"]


def test_a_viewed_key_that_is_used_is_left_alone(cast, sandbox):
    key, plain = a_live_key(sandbox, cast.admin, state=State.CLAIMED, due_at=timezone.now(), stored_at=None)
    with_a_life(key)
    assert sandbox.accepts(plain)
    _use(sandbox, plain)
    reconcile_due()
    assert (state_of(key), due_in(key)) == (State.CLAIMED, None)
    assert is_live(sandbox, key)


def _use(sandbox, plain: str) -> None:
    import requests
    from django.conf import settings

    requests.get(f"{settings.CERBY_BASE_URL}/api/v1/users", headers={"X-API-Key": plain}, timeout=5).close()


def test_a_viewed_key_that_is_gone_in_cerby_ends(cast, sandbox):
    key = made(sandbox, cast.admin, State.CLAIMED)
    sandbox.change_key(str(key.cerby_id), gone=True)
    reconcile_due()
    assert state_of(key) == State.REVOKED


@pytest.mark.parametrize("between", [State.CLAIMED, State.HELD])
def test_a_view_at_the_last_moment_beats_the_timer(cast, sandbox, between):
    """The person views the key after the reconciler has read it."""
    as_read = made(sandbox, cast.admin, State.READY)
    ApiKey.objects.filter(pk=as_read.pk).update(state=between)
    reconcile(as_read)
    assert (state_of(as_read), is_live(sandbox, as_read)) == (between, True)


def test_revoking_is_tried_six_times_quickly_then_hourly_with_an_error_in_the_log(cast, sandbox, caplog):
    key = made(sandbox, cast.admin, State.REVOKING)
    sandbox.faults.set([{"fault": "delete-204-live", "route": "DELETE /api/v1/api-keys/*"}])
    for seconds in (10, 20, 40, 80, 160, 320, 3600, 3600):
        caplog.clear()
        reconcile_now()
        assert due_in(key) == pytest.approx(seconds * SECOND, abs=5 * SECOND)
        assert ("revocation_is_stuck" in caplog.text) == (seconds >= 320)
    assert story_of(key) == ["key:delete"] * 8
    tries = AuditEvent.objects.exclude(reason=BEFORE_THE_TEST)
    assert {event.outcome for event in tries} == {"failed"}
    sandbox.faults.clear()
    reconcile_now()
    assert (state_of(key), is_live(sandbox, key)) == (State.REVOKED, False)


def test_an_answer_with_another_keys_id_does_not_delete_that_key(cast, sandbox, workspace):
    """Cerby answered a request for a new key with the id of the portal's own key."""
    (own,) = [each for each in sandbox.api_keys() if each["name"] == "Key portal"]
    key = made(sandbox, cast.admin, State.READY, cerby_id=uuid.UUID(own["id"]))
    reconcile_due()
    assert (state_of(key), is_live(sandbox, key)) == (State.REVOKED, False)
    assert sandbox.accepts(workspace.api_key)


def test_an_error_with_one_key_does_not_stop_the_others(cast, sandbox, caplog):
    """Cerby answers the look-up of a lost request with the id of another row, which the database refuses."""
    poison = made(sandbox, cast.admin, State.IN_DOUBT, due_at=timezone.now() - HOUR)
    (upstream,) = [each for each in sandbox.api_keys() if each["external_id"] == str(poison.pk)]
    a_key(cast.admin, cerby_id=upstream["id"])
    other = never_made(cast.admin, State.REQUESTED)
    assert reconcile_due() == 2
    assert "reconciling_failed" in caplog.text
    assert state_of(other) == State.ABSENT
    assert state_of(poison) == State.IN_DOUBT
    assert due_in(poison) > timedelta()


def reconcile_in_race(number: int, subject: dict[str, Any]) -> int:
    folders = {name: Path(value) for name, value in subject.items() if name.endswith("_DIR")}
    with override_settings(**subject | folders):
        return reconcile_due()


def test_two_reconcilers_at_once_act_once(committed_cast, database, sandbox, settings):
    keys = [made(sandbox, committed_cast.admin, State.REVOKING) for _ in range(6)]
    cancelled = [never_made(committed_cast.admin, State.REQUESTED) for _ in range(6)]
    names = ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY", "PORTAL_AUDIT_DIR")
    subject = {name: str(getattr(settings, name)) for name in names}
    (taken,) = race(database, f"{__name__}:reconcile_in_race", [subject], processes=3)
    assert sum(taken) == len(keys) + len(cancelled)
    assert {state_of(key) for key in keys} == {State.REVOKED}
    assert [story_of(key) for key in keys] == [["key:delete"]] * len(keys)
    assert [story_of(key) for key in cancelled] == [["key:cancel"]] * len(cancelled)
    assert len(asked(sandbox, "DELETE")) == len(keys)
