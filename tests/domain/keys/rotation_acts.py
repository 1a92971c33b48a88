"""Stage each change of a rotation, with the events that record it, for test_acts.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.actions.lineage.advance import advance_due
from keys.actions.rotation.call_off import call_off
from keys.actions.rotation.extend import extend_overlap
from keys.actions.rotation.kill import kill_old_key
from keys.actions.rotation.retire import retire_old_key
from keys.actions.rotation.start import start_rotation
from keys.actions.rotation_tasks.ask import ask_for_rotation
from keys.actions.rotation_tasks.assign import keep_rotation_tasks
from keys.actions.rotation_tasks.withdraw import withdraw_rotation_task
from keys.models import ApiKey, Rotation, RotationTask, User
from keys.rules.errors import Conflict
from keys.rules.rotation import Because, Rotating
from tests.domain.keys import review_acts
from tests.domain.rotation.steps import a_rotation
from tests.support.scene import Scene

Act = Callable[[], Any]
WHY = "The robot is switched off."
DELETED = ["key:start-delete", "key:delete"]


def overlapping(scene: Scene) -> uuid.UUID:
    """Create a rotation of the admin's key in OVERLAP, without its events."""
    old, new = (ApiKey.objects.get(pk=scene.key()) for _ in range(2))
    for generation, key in enumerate((old, new), start=1):
        ApiKey.objects.filter(pk=key.pk).update(lineage=old.pk, generation=generation)
    return a_rotation(old, new).pk


def starting(scene: Scene) -> Act:
    rotating = Rotating(scene.key(), Because.SCHEDULED, timedelta(days=7))
    request = scene.request()
    return lambda: start_rotation(scene.me, request, rotating)


def advancing(scene: Scene) -> Act:
    Rotation.objects.filter(pk=overlapping(scene)).update(overlap_until=timezone.now())

    def advance() -> None:
        if not advance_due():
            raise Conflict("Nothing was recorded.")

    return advance


def on_rotation(act: Callable[..., Any], **named: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        made = overlapping(scene)
        return lambda: act(scene.me, made, **named)

    return stage


def asking(scene: Scene) -> Act:
    key = scene.key()
    return lambda: ask_for_rotation(scene.me, key, timezone.localdate() + timedelta(days=3))


def withdrawing(scene: Scene) -> Act:
    key = scene.key()
    columns = {"due_on": timezone.localdate(), "asked_by": scene.cast.admin, "asked_at": timezone.now()}
    RotationTask.objects.create(key_id=key, **columns)
    return lambda: withdraw_rotation_task(scene.me, key)


def moving(scene: Scene) -> Act:
    """Create a task of a person who cannot sign in, as if it had been asked for."""
    columns = {"due_on": timezone.localdate(), "asked_by": scene.cast.admin, "asked_at": timezone.now()}
    RotationTask.objects.create(key_id=scene.key(), assigned=gone(scene), **columns)

    def move() -> None:
        if keep_rotation_tasks().endswith(" 0"):
            raise Conflict("Nothing was recorded.")

    return move


def gone(scene: Scene) -> User:
    User.objects.filter(pk=scene.cast.guest.pk).update(is_active=False)
    return scene.cast.guest


DONE: dict[str, tuple[Callable[[Scene], Act], list[str]]] = {
    "rotation/start": (starting, ["key:request", "rotation:start", "key:call", "key:issue"]),
    "rotation_tasks/ask": (asking, ["key:ask-rotation"]),
    "rotation_tasks/withdraw": (withdrawing, ["key:withdraw-rotation"]),
    "rotation_tasks/assign": (moving, ["key:ask-rotation"]),
    "lineage/advance": (advancing, ["rotation:miss"]),
    "rotation/retire": (
        on_rotation(retire_old_key, without_proof=True, reason=WHY),
        ["rotation:retire", *DELETED],
    ),
    "rotation/kill": (on_rotation(kill_old_key, reason=WHY), ["rotation:kill", *DELETED]),
    "rotation/extend": (
        on_rotation(extend_overlap, overlap=timedelta(days=1), reason=WHY),
        ["rotation:extend"],
    ),
    "rotation/call_off": (on_rotation(call_off, reason=WHY), ["rotation:call-off", *DELETED]),
    **review_acts.DONE,
}
PARTS = review_acts.PARTS | dict.fromkeys(
    (
        *("lineage/begin", "lineage/step", "lineage/tell", "lineage/end_task"),
        "rotation/end",
        "rotation_tasks/tell",
    ),
    "parts of the acts beside them: test_life.py, test_tasks.py",
)
"""Modules whose changes other acts record."""
