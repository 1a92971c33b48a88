"""Rotate a key of the sandbox and set what a sweep would see, for tests of rotations."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.lineage.advance import advance_all
from keys.actions.rotation.start import start_rotation
from keys.models import ApiKey, AuditEvent, Rotation, User
from keys.rules.rotation import Because, Rotating, RotationState
from keys.validation.new_key import KeyRequest
from sandbox import Sandbox
from tests import cast as people
from tests.cast import a_live_key, with_a_life
from tests.support.scene import TAB_KEY

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def an_old_key(sandbox: Sandbox, owner: User, **columns: Any) -> ApiKey:
    return with_a_life(a_live_key(sandbox, owner, **columns)[0])


def request_for(old: ApiKey, **values: Any) -> KeyRequest:
    request = KeyRequest(
        id=uuid.uuid4(),
        name=f"{old.name} · r2",
        purpose="To test with.",
        expires_at=timezone.now().replace(microsecond=0) + 90 * DAY,
        scopes=tuple(old.scopes),
        tab_key=TAB_KEY,
    )
    return replace(request, **values)


def begin(owner: User, old: ApiKey, *, overlap: timedelta = 7 * DAY, **values: Any) -> Rotation:
    """Start a rotation as ``owner``. Its new key is generated, but not viewed."""
    rotating = Rotating(old.pk, Because.SCHEDULED, overlap)
    new = start_rotation(people.actor(owner), request_for(old, **values), rotating)
    return Rotation.objects.select_related("old", "new").get(new=new)


def store(owner: User, rotation: Rotation) -> None:
    """View the new key and confirm that it is stored."""
    claim_key(people.actor(owner), rotation.new_id, session="s")
    acknowledge_key(people.actor(owner), rotation.new_id)


def stored(sandbox: Sandbox, owner: User, *, overlap: timedelta = 7 * DAY, **columns: Any) -> Rotation:
    """Return a rotation in OVERLAP."""
    rotation = begin(owner, an_old_key(sandbox, owner, **columns), overlap=overlap)
    store(owner, rotation)
    return again(rotation)


def again(rotation: Rotation) -> Rotation:
    return Rotation.objects.select_related("old", "new").get(pk=rotation.pk)


def see(
    rotation: Rotation, *, as_of: datetime, old: datetime | None = None, new: datetime | None = None
) -> str:
    """Write the last uses as a sweep at ``as_of`` would, advance all rotations, and return the new state."""
    for key_id, used_at in ((rotation.old_id, old), (rotation.new_id, new)):
        columns: dict[str, Any] = {"confirmed_at": as_of}
        if used_at is not None:
            columns["last_used_at"] = used_at
        ApiKey.objects.filter(pk=key_id).update(**columns)
    advance_all()
    return state_of(rotation)


def state_of(rotation: Rotation) -> str:
    return Rotation.objects.get(pk=rotation.pk).state


def story_of(rotation: Rotation) -> list[tuple[str, str]]:
    """Return the events of the rotation, each with the state after it."""
    events = AuditEvent.objects.filter(key_id=rotation.old_id, type__startswith="rotation:").order_by("id")
    return [(event.type.partition(":")[2], event.details["after"]["state"]) for event in events]


def set_state(rotation: Rotation, state: RotationState, **columns: Any) -> Rotation:
    Rotation.objects.filter(pk=rotation.pk).update(state=state, **columns)
    return again(rotation)


def a_rotation(old: ApiKey, new: ApiKey, **columns: Any) -> Rotation:
    """Create a row from ``old`` to ``new``, without events. It is in OVERLAP unless ``columns`` differ."""
    now = timezone.now()
    facts = {"because": Because.SCHEDULED, "overlap": 3600, "quiet_after": 86400, "started_by": old.owner}
    times = {"started_at": now, "stored_at": now, "overlap_until": now + HOUR}
    return Rotation.objects.create(
        **{"old": old, "new": new, "state": "overlap", **facts, **times, **columns}
    )
