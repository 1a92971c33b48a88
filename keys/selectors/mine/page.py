"""Return the keys that a person owns or answers for, and what is due for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys.models import ApiKey, LeaverPlan, RotationTask
from keys.rules import formatting
from keys.rules.lifecycle import CAVEAT, Phase, State, Status, status
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import ROTATED
from keys.selectors.leavers.page import tasks_of
from keys.selectors.rotation.tasks import rotation_tasks_of

MOST = 500
"""Keys per relation. Few people have more, and the page costs the same for them."""
SOON = timedelta(days=30)
PARTS = {"owner": "Owner", "accountable": "Accountable", "backup": "Backup"}


@dataclass(frozen=True)
class MyKey:
    """``parts`` are the person's relations to the key, as words."""

    key: ApiKey
    parts: list[str]
    status: Status
    caveat: str


@dataclass(frozen=True)
class Task:
    """``button`` is the one thing to do, at ``url``. ``also``: the words and the address of another one."""

    key: ApiKey
    words: str
    button: str
    url: str
    urgent: bool = False
    also: tuple[str, str] | None = None

    @property
    def links(self) -> list[tuple[str, str]]:
        return [(self.button, self.url), *filter(None, [self.also])]


@dataclass(frozen=True)
class MyKeys:
    """``more``: the person has more keys than are shown."""

    keys: list[MyKey]
    tasks: list[Task]
    more: bool


def has_keys(user_id: int) -> bool:
    """Return whether the person owns a key or answers for one, also as the backup."""
    mine = Q(owner_id=user_id) | Q(accountable_id=user_id) | Q(backup_id=user_id)
    return ApiKey.objects.filter(mine).exists()


def my_keys(actor: Actor) -> MyKeys:
    """Return the person's live and pending keys, the soonest expiry first. Everybody may see their own."""
    now, found, parts = timezone.now(), dict[str, ApiKey](), dict[str, list[str]]()
    more = False
    for column, words in PARTS.items():
        rows = ApiKey.objects.filter((f"{column}_id", actor.user_id), phase__in=[Phase.PENDING, Phase.LIVE])
        newest = list(rows.select_related("owner").order_by("-created_at", "-id")[: MOST + 1])
        more = more or len(newest) > MOST
        for key in newest[:MOST]:
            found.setdefault(str(key.pk), key)
            parts.setdefault(str(key.pk), []).append(words)
    keys = sorted(found.values(), key=lambda key: (key.expires_at, key.pk))
    tasks = [task for key in keys for task in _tasks(actor, key, now)]
    tasks += [_of_leaver(plan) for plan in tasks_of(actor)]
    tasks += [_of_rotation(actor, task, now) for task in rotation_tasks_of(actor)]
    tasks.sort(key=lambda task: not task.urgent)
    return MyKeys([_my_key(key, parts[str(key.pk)], now) for key in keys], tasks, more)


def _of_leaver(plan: LeaverPlan) -> Task:
    words = (
        f"Its owner, {plan.person.name}, has left. Plan it: rotate it, remove it, or keep it until a date."
    )
    return Task(plan.key, words, "Plan it", reverse("keys:leaving", args=[plan.person_id]), urgent=True)


def _of_rotation(actor: Actor, task: RotationTask, now: datetime) -> Task:
    is_late = task.due_on < timezone.localdate(now)
    words = f"Rotate it by {formatting.spoken_day(task.due_on)}{': this day has passed' if is_late else ''}."
    if actor.may(Action.ROTATE_KEY, task.key):
        return Task(task.key, words, "Rotate it", reverse("keys:rotate", args=[task.key_id]), urgent=is_late)
    page = reverse("keys:key", args=[task.key_id])
    return Task(task.key, f"{words} Ask somebody who may.", "See the key", page, urgent=is_late)


def _my_key(key: ApiKey, parts: list[str], now: datetime) -> MyKey:
    current = status(key.phase, key.expires_at, now)
    notes = [CAVEAT.get(State(key.state), ""), "orphan" if key.orphan and current is Status.ACTIVE else ""]
    return MyKey(key, parts, current, ", ".join(filter(None, notes)))


def _to_rotate(actor: Actor, key: ApiKey) -> tuple[str, str] | None:
    """Return the words and the address of the link that rotates ``key``, if the actor may."""
    if key.state not in ROTATED or not actor.may(Action.ROTATE_KEY, key):
        return None
    return "Rotate it", reverse("keys:rotate", args=[key.pk])


def _tasks(actor: Actor, key: ApiKey, now: datetime) -> Iterator[Task]:
    """Yield what the person can do about the key. Other people do what only they may do."""
    page, edit = (reverse(name, args=[key.pk]) for name in ("keys:key", "keys:edit"))
    store, paste = (reverse(name, args=[key.pk]) for name in ("keys:store", "keys:paste"))
    if key.owner_id == actor.user_id and key.state == State.AWAITED:
        yield Task(key, "Generate it in Cerby, then paste it here.", "Paste it", paste, urgent=True)
    if key.owner_id == actor.user_id and key.state in {State.READY, State.CLAIMED}:
        yield Task(key, "Nobody has confirmed that it is stored.", "Store it", store, urgent=True)
    if key.phase != Phase.LIVE or key.expires_at <= now:
        return
    if key.expires_at - now <= SOON:
        words = f"Expires on {formatting.spoken(key.expires_at, now)}. Replace it before then."
        is_urgent = key.expires_at - now <= SOON / 4
        yield Task(key, words, *(_to_rotate(actor, key) or ("See the key", page)), urgent=is_urgent)
    may_edit = actor.may(Action.EDIT_KEY, key)
    if key.is_review_due(timezone.localdate(now)) and may_edit:
        words = "Its review date has come. If it is still needed, set the next date, or rotate it."
        yield Task(key, words, "Review it", edit, also=_to_rotate(actor, key))
    if key.orphan:
        words = "Nobody answers for it."
        if key.backup_id == actor.user_id:
            words += " You are its backup: find a person who does."
        yield Task(key, words, *(("Name a person", edit) if may_edit else ("See the key", page)))
