"""Keys that a person creates in Cerby's web app: waiting, time-out, Cerby's id, deletion by hand."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.confirm_removal import confirm_removal
from keys.actions.keys.delete import delete_key
from keys.actions.keys.match_cerby_id import match_cerby_id, match_cerby_ids
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.sync.sweep import sweep
from keys.cerby import connect
from keys.jobs.tasks import sweep as sweep_job
from keys.models import ApiKey, AuditEvent, PeriodicJob
from keys.rules.errors import Conflict, NotAllowed, NotFound
from keys.rules.lifecycle import PASTED_WITHIN, Phase, State
from keys.validation.new_key import KeyRequest
from tests.cast import a_key, actor, with_a_life

NOW = timezone.now()


def asked(**changes) -> KeyRequest:
    facts: dict[str, Any] = {
        "id": uuid.uuid4(),
        "name": f"By hand {uuid.uuid4().hex[:6]}",
        "purpose": "To test with.",
        "expires_at": NOW + timedelta(days=5, seconds=17),
        "scopes": ("read:users",),
        "tab_key": b"",
    }
    return KeyRequest(**facts | changes)


def by_hand(owner, **columns) -> ApiKey:
    facts: dict[str, Any] = {
        "cerby_id": None,
        "origin": "registered",
        "pepper_id": "p1",
        "fingerprint": uuid.uuid4().bytes * 2,
    }
    return a_key(owner, **facts | columns)


def types(key_id) -> list[str]:
    return list(AuditEvent.objects.filter(key_id=key_id).order_by("id").values_list("type", flat=True))


def in_cerby(sandbox, owner, name, *, created_at=None, scopes=("read:users",)) -> str:
    cerby_id, _ = sandbox.add_key(
        owner_email=owner.email,
        name=name,
        scopes=list(scopes),
        created_at=created_at or NOW,
        expires_at=NOW + timedelta(days=30),
    )
    return cerby_id


def fresh(key) -> ApiKey:
    return ApiKey.objects.select_related("owner").get(pk=key.pk)


def test_a_request_waits_as_pending_for_a_day_and_keeps_its_name(cast):
    request = asked()
    me = actor(cast.admin)
    assert await_paste(me, request) == request.id
    key = ApiKey.objects.get(pk=request.id)
    assert (key.state, key.phase, key.origin) == (State.AWAITED, Phase.PENDING, "pasted")
    assert timedelta(0) <= key.due_at - timezone.now() - PASTED_WITHIN + timedelta(seconds=5)
    assert (key.expires_at.second, key.expires_at.microsecond) == (0, 0)
    assert types(key.pk) == ["key:request", "key:await"]
    with pytest.raises(IntegrityError), transaction.atomic():
        a_key(cast.owner, name=request.name.upper())


def test_a_repeated_request_is_one_request(cast):
    request = asked()
    me = actor(cast.admin)
    assert await_paste(me, request) == await_paste(me, request)
    assert types(request.id) == ["key:request", "key:await"]
    with pytest.raises(Conflict):
        await_paste(actor(cast.owner), request)


def test_a_person_who_may_not_generate_keys_may_not_request_one(cast):
    with pytest.raises(NotAllowed):
        await_paste(actor(cast.user), asked())
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("waited", "state"), [(timedelta(hours=23), State.AWAITED), (timedelta(hours=24), State.ABSENT)]
)
def test_the_request_is_cancelled_after_a_day(cast, waited, state):
    request = asked()
    await_paste(actor(cast.admin), request)
    ApiKey.objects.filter(pk=request.id).update(due_at=timezone.now() + PASTED_WITHIN - waited)
    reconcile_due()
    assert ApiKey.objects.get(pk=request.id).state == state


def test_the_wait_can_be_cancelled(cast):
    request = asked()
    await_paste(actor(cast.admin), request)
    assert delete_key(actor(cast.owner), request.id).state == State.ABSENT
    assert types(request.id)[-1] == "key:cancel"


@pytest.mark.parametrize("state", [State.CLAIMED, State.REVOKING])
def test_the_reconciler_leaves_alone_a_key_that_only_a_person_can_delete(cast, state):
    key = with_a_life(by_hand(cast.admin, state=state, due_at=NOW - timedelta(minutes=1)))
    assert reconcile_due() == 1
    assert (fresh(key).state, fresh(key).due_at) == (state, None)
    assert reconcile_due() == 0


@pytest.mark.parametrize("origin", ["generated", "discovered"])
def test_every_other_live_key_must_have_a_cerby_id(cast, origin):
    with pytest.raises(IntegrityError, match="key_live_is_known_to_cerby"), transaction.atomic():
        a_key(cast.admin, cerby_id=None, origin=origin)


@pytest.mark.parametrize("origin", ["pasted", "registered"])
def test_a_proved_key_must_have_a_fingerprint(cast, origin):
    with pytest.raises(IntegrityError, match="key_proved_has_a_fingerprint"), transaction.atomic():
        a_key(cast.admin, origin=origin)


def test_two_keys_cannot_have_one_fingerprint(cast):
    key = by_hand(cast.admin)
    with pytest.raises(IntegrityError, match="fingerprint"), transaction.atomic():
        by_hand(cast.owner, fingerprint=key.fingerprint)


def test_deletion_by_hand_takes_two_recorded_actions(cast, sandbox):
    key, me = by_hand(cast.admin), actor(cast.admin)
    assert delete_key(me, key.pk).state == State.REVOKING
    assert confirm_removal(me, key.pk).state == State.REVOKED
    assert confirm_removal(me, key.pk).state == State.REVOKED
    assert fresh(key).removed_at is not None
    assert types(key.pk) == ["key:start-delete", "key:confirm-removal"]
    assert AuditEvent.objects.get(type="key:confirm-removal").actor_email == cast.admin.email


def test_removal_cannot_be_confirmed_by_hand_if_cerby_can_be_asked(cast):
    me = actor(cast.owner)
    for key in (a_key(cast.admin, state=State.REVOKING), by_hand(cast.admin), a_key(cast.admin)):
        with pytest.raises(Conflict):
            confirm_removal(me, key.pk)
    with pytest.raises(NotFound):
        confirm_removal(actor(cast.user), by_hand(cast.admin, state=State.REVOKING).pk)


def test_if_cerby_lists_its_keys_the_portal_deletes_the_key_itself(cast, sandbox):
    key = by_hand(cast.admin, name="Night job")
    cerby_id = in_cerby(sandbox, cast.admin, "night JOB")
    assert delete_key(actor(cast.admin), key.pk).state == State.REVOKED
    assert str(fresh(key).cerby_id) == cerby_id
    assert connect().key(uuid.UUID(cerby_id)).status == "removed"
    assert types(key.pk) == ["key:start-delete", "key:identify", "key:delete"]


@pytest.mark.parametrize("why", ["two of that name", "another owner", "older than the request", "taken"])
def test_an_ambiguous_match_is_never_deleted(cast, sandbox, why):
    key = by_hand(cast.admin, name="Night job", origin="pasted", created_at=NOW)
    owner = cast.owner if why == "another owner" else cast.admin
    created = NOW - timedelta(days=3) if why == "older than the request" else NOW
    ids = [in_cerby(sandbox, owner, "Night job", created_at=created)]
    if why == "two of that name":
        ids.append(in_cerby(sandbox, owner, "Night job"))
    if why == "taken":
        a_key(cast.admin, cerby_id=uuid.UUID(ids[0]))
    assert delete_key(actor(cast.admin), key.pk).state == State.REVOKING
    assert fresh(key).cerby_id is None
    assert {connect().key(uuid.UUID(one)).status for one in ids} == {"active"}


def test_the_sweep_completes_the_row_instead_of_adding_a_second_one(cast, sandbox):
    key = by_hand(cast.admin, name="Night job", origin="declared", fingerprint=None, pepper_id="")
    cerby_id = in_cerby(sandbox, cast.admin, "Night job", scopes=["read:items"])
    found = sweep()
    assert (str(fresh(key).cerby_id), fresh(key).scopes) == (cerby_id, ["read:items"])
    assert fresh(key).confirmed_at is not None
    assert ApiKey.objects.filter(name="Night job").count() == 1
    assert found.discovered == 1  # the portal's own key
    assert types(key.pk) == ["key:identify", "key:change"]
    assert sweep().changed == 0


def test_if_two_rows_match_neither_gets_the_id(cast, sandbox):
    for _ in range(2):
        by_hand(cast.admin, name="Night job")
    in_cerby(sandbox, cast.admin, "Night job")
    [upstream] = [one for one in connect().keys(statuses=["active"]) if one.name == "Night job"]
    assert match_cerby_ids([upstream]) == {}


def test_if_cerby_is_down_the_key_stays_as_it_is(cast, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    key = by_hand(cast.admin)
    match_cerby_id(key, None)
    assert fresh(key).cerby_id is None


@pytest.mark.parametrize(("mode", "succeeded"), [("assisted", True), ("direct", False)])
def test_the_sweep_fails_if_cerby_cannot_list_keys(cast, settings, mode, succeeded):
    settings.CERBY_ISSUE_MODE, settings.CERBY_TOKEN = mode, ""
    PeriodicJob.objects.create(name="sweep", due_at=NOW)
    sweep_job.func()
    assert PeriodicJob.objects.get(name="sweep").succeeded is succeeded
