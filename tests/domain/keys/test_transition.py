"""A transition is one conditional UPDATE and its audit event, or neither."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from keys.actions.transition import transition
from keys.models import ApiKey, AuditEvent
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, State, Transition
from tests.cast import a_key, actor
from tests.support.cases import in_one_test


def columns_of(key: ApiKey) -> Mapping[str, object]:
    return ApiKey.objects.filter(pk=key.pk).values().get()


def columns_for(state: State) -> dict[str, object]:
    """Return the columns that the constraints require in ``state``."""
    columns: dict[str, object] = {"state": state}
    if state == State.CALLING:
        columns |= {"lease": uuid.uuid4(), "lease_until": timezone.now() + timedelta(seconds=60)}
    if state == State.REVOKED:
        columns["removed_at"] = timezone.now()
    return columns


@in_one_test("step", Transition)
@in_one_test("state", State)
def test_a_transition_starts_only_from_its_sources(cast, step, state):
    key = a_key(cast.admin, **columns_for(state))
    before = columns_of(key)
    sources, target = TRANSITIONS[step]
    changes = {name: value for name, value in columns_for(target).items() if name != "state"}

    if state in sources:
        transition(key, step, Event.KEY_CALLED, actor(cast.admin), changes=changes)
        assert columns_of(key)["state"] == key.state == target
        assert AuditEvent.objects.get().key_id == key.id
        return

    with pytest.raises(Conflict):
        transition(key, step, Event.KEY_CALLED, actor(cast.admin), changes=changes)
    assert columns_of(key) == before
    assert key.state == state
    assert not AuditEvent.objects.exists()


def test_a_late_caller_changes_nothing(cast):
    """The row decides, not the stale object of the caller."""
    key = a_key(cast.admin, state=State.CLAIMED)
    as_read_before = ApiKey.objects.get(pk=key.pk)
    transition(key, Transition.REVOKE, Event.KEY_DELETION_STARTED, actor(cast.owner), from_state="claimed")
    before = columns_of(key)

    with pytest.raises(Conflict):
        transition(
            as_read_before,
            Transition.STORE,
            Event.KEY_STORED,
            actor(cast.admin),
            changes={"stored_in": "Automation"},
        )

    assert columns_of(key) == before
    assert as_read_before.state == State.CLAIMED
    assert [event.type for event in AuditEvent.objects.all()] == [Event.KEY_DELETION_STARTED]


def test_another_processs_lease_prevents_the_transition(cast):
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    key = a_key(cast.admin, **columns_for(State.CALLING) | {"lease": theirs})
    with pytest.raises(Conflict):
        transition(key, Transition.REFUSE, Event.KEY_ISSUED, actor(cast.admin), holding=mine)
    assert columns_of(key)["lease"] == theirs

    transition(key, Transition.REFUSE, Event.KEY_ISSUED, actor(cast.admin), holding=theirs)
    assert columns_of(key)["lease"] is None


def test_if_the_event_has_an_unknown_detail_the_state_stays(cast):
    key = a_key(cast.admin, state=State.CLAIMED)
    before = columns_of(key)
    with pytest.raises(ValueError, match="key:store carries no colour"):
        transition(key, Transition.STORE, Event.KEY_STORED, actor(cast.admin), colour="red")
    assert columns_of(key) == before
    assert key.state == State.CLAIMED


def test_if_the_database_refuses_the_event_the_state_stays(cast, fill_the_disk):
    key = a_key(cast.admin, state=State.CLAIMED)
    before = columns_of(key)
    fill_the_disk()
    with pytest.raises(IntegrityError, match="no room"):
        transition(key, Transition.STORE, Event.KEY_STORED, actor(cast.admin))
    assert columns_of(key) == before
    assert key.state == State.CLAIMED
    assert not AuditEvent.objects.exists()
