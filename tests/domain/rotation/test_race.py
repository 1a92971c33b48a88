"""Processes rotate one key at once, or end one rotation in different ways: one succeeds, and one key stays in use.

A naive version beside each loses for certain: every process has read before one of them writes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from django.test import override_settings
from django.utils import timezone

from keys.actions.lineage.advance import advance
from keys.actions.rotation.call_off import call_off
from keys.actions.rotation.extend import extend_overlap
from keys.actions.rotation.kill import kill_old_key
from keys.actions.rotation.retire import retire_old_key
from keys.actions.rotation.start import start_rotation
from keys.models import ApiKey, AuditEvent, Rotation, User
from keys.rules.errors import Conflict
from keys.rules.lifecycle import HOLDS_ITS_NAME, State
from keys.rules.rotation import Because, Rotating
from tests import cast as people
from tests.cast import a_key, an_unsaved_key
from tests.domain.rotation.steps import a_rotation, again, request_for
from tests.support.racing import meet, race

WHY = "To test with."
ENDS = ("rotation:retire", "rotation:kill", "rotation:call-off")


@pytest.fixture
def size(nightly: bool) -> tuple[int, int]:
    """Return the numbers of processes and of rotations."""
    return (24, 20) if nightly else (5, 3)


def settings_of_race() -> dict[str, Any]:
    """Return the settings for assisted mode, in which only the role is read from the sandbox."""
    names = ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")
    return {name: getattr(portal, name) for name in names} | {"CERBY_ISSUE_MODE": "assisted"}


def me() -> Any:
    return people.actor(User.objects.get(email=people.email_of("admin")))


def start(number: int, subject: dict[str, Any]) -> str:
    """Rotate the key, as the portal or as the naive version. Return the outcome."""
    old = ApiKey.objects.get(pk=subject["key"])
    if subject["way"] == "naive":
        is_free = not Rotation.objects.filter(old=old).exists()
        meet()
        if is_free:
            an_unsaved_key(old.owner, name=f"{old.name} {number}", state=State.HELD).save(force_insert=True)
        return "started"
    with override_settings(**subject["settings"]):
        try:
            rotating = Rotating(old.pk, Because.SCHEDULED, timedelta(days=1))
            start_rotation(me(), request_for(old, name=f"{old.name} {number}"), rotating)
        except Conflict:
            return "refused"
    return "started"


def test_of_many_who_rotate_a_key_one_succeeds(database, committed_cast, size):
    processes, rounds = size
    subjects: list[dict[str, Any]] = [
        {"way": way, "key": str(a_key(committed_cast.admin).pk), "settings": settings_of_race()}
        for way in ["portal"] * rounds + ["naive"]
    ]
    *outcomes, naive = race(database, f"{__name__}:start", subjects, processes=processes)
    for subject, told in zip(subjects, outcomes, strict=False):
        assert sorted(told) == ["refused"] * (processes - 1) + ["started"]
        old = uuid.UUID(subject["key"])
        assert ApiKey.objects.filter(lineage=old, state__in=HOLDS_ITS_NAME).count() == 2
        assert AuditEvent.objects.filter(key_id=old, type="rotation:start").count() == 1
    name = ApiKey.objects.get(pk=subjects[-1]["key"]).name
    assert naive == ["started"] * processes
    assert ApiKey.objects.filter(name__startswith=name).count() == 1 + processes


def retire(rotation: Rotation) -> None:
    retire_old_key(me(), rotation.pk, without_proof=True, reason=WHY)


def kill(rotation: Rotation) -> None:
    kill_old_key(me(), rotation.pk, reason=WHY)


def abandon(rotation: Rotation) -> None:
    call_off(me(), rotation.pk, reason=WHY)


def extend(rotation: Rotation) -> None:
    extend_overlap(me(), rotation.pk, overlap=timedelta(days=2), reason=WHY)


ACTS: tuple[Callable[[Rotation], object], ...] = (retire, abandon, kill, extend, advance)


def end(number: int, subject: dict[str, Any]) -> str:
    """End the rotation, each process in its way. The naive version deletes without looking again."""
    rotation = again(Rotation.objects.get(pk=subject["rotation"]))
    act = ACTS[number % len(ACTS)]
    if subject["way"] == "naive":
        key = {"retire": rotation.old, "abandon": rotation.new}.get(act.__name__)
        meet()
        if key is not None and rotation.is_open:
            ApiKey.objects.filter(pk=key.pk).update(state=State.REVOKED, removed_at=timezone.now())
        return act.__name__
    with override_settings(**subject["settings"]):
        try:
            act(rotation)
        except Conflict:
            return "refused"
    return act.__name__


def test_of_many_who_end_a_rotation_one_succeeds_and_one_key_stays(database, committed_cast, size):
    processes, rounds = size
    subjects: list[dict[str, Any]] = [
        {"way": way, "rotation": str(overlapping(committed_cast.admin).pk), "settings": settings_of_race()}
        for way in ["portal"] * rounds + ["naive"]
    ]
    *outcomes, _ = race(database, f"{__name__}:end", subjects, processes=processes)
    for subject, told in zip(subjects, outcomes, strict=False):
        rotation = Rotation.objects.select_related("old", "new").get(pk=subject["rotation"])
        ended = [name for name in told if name in {"retire", "abandon", "kill"}]
        events = AuditEvent.objects.filter(key_id=rotation.old_id, type__in=ENDS)
        assert (len(ended), events.count()) == (1, 1)
        gone, stays = (rotation.new, rotation.old) if ended == ["abandon"] else (rotation.old, rotation.new)
        assert (gone.state, stays.state) == (State.REVOKING, State.HELD)
        assert rotation.state == ("called_off" if ended == ["abandon"] else "retired")
    naive = Rotation.objects.select_related("old", "new").get(pk=subjects[-1]["rotation"])
    assert (naive.old.state, naive.new.state) == (State.REVOKED, State.REVOKED)


def overlapping(owner: User) -> Rotation:
    old = a_key(owner)
    ApiKey.objects.filter(pk=old.pk).update(lineage=old.pk, generation=1)
    return a_rotation(old, a_key(owner, lineage=old.pk, generation=2))
