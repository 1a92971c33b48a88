"""Carry out a bulk action in the worker, key by key.

A worker claims a key with one conditional UPDATE before it begins, and records the outcome after it. If the
worker dies between the two, another one takes the key over after ``LEASE``. A constraint lets only one bulk
action work on a key at a time, so that two of them never do it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import sleep
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from keys.actions.bulk.as_started import as_started
from keys.actions.bulk.one_key import Deferred, Failed, Result, act_on
from keys.actions.bulk.stop import end
from keys.actions.bulk.tell_reminded import remind_people, tell_channels_of_reminders
from keys.actions.rotation_tasks.tell import tell_of_rotation_tasks
from keys.actions.safeguards.quarantine import may_revoke
from keys.actions.safeguards.rollback_guard import check_for_rollback
from keys.audit import log, node
from keys.models import Pause, SelectedKey, Selection
from keys.models.selection import EMERGENCY
from keys.rules.errors import CerbyError, CerbyTooMany, RoleNotConfirmed
from keys.selectors.bulk.selection import QUARANTINED
from keys.selectors.health.safeguards import active_quarantine

LEASE = timedelta(minutes=5)
"""Longer than the calls for one key. A worker that has not recorded an outcome by then has died."""
LONGEST_WAIT = 90
"""Seconds, which is longer than a request for a key takes."""
FAILURES_IN_A_ROW = 3
"""After so many keys for which Cerby did not answer, the action stops instead of trying all others."""
EXPIRED = "The list of selected keys is older than 24 hours."
CERBY_IS_AWAY = "Cerby did not answer several times in a row."
CHANGED = "The list is not the one that the audit log recorded: somebody changed the database."
INTERRUPTED = "The action was interrupted at this key. Look at the key to see what was done."

Outcome = SelectedKey.Outcome

logger = structlog.get_logger(__name__)


def carry_out_bulk(selection_id: UUID, watch: Callable[[], object] = lambda: None) -> None:
    """Work on the list until all keys are done, somebody stops it, or a safeguard asks to wait.

    The list and the act must be those that the event of the start recorded. Each key ends with ``watch``.
    """
    in_a_row, started, later = 0, None, list[tuple[SelectedKey, datetime]]()
    while (item := _next(selection_id)) is not None:
        started = started or as_started(item.selection)
        if started is None or not started.has(item):
            logger.error("bulk_list_changed")
            _record(item, Failed(Outcome.FAILED, CHANGED))
            end(item.selection, None, CHANGED)
            continue
        result = act_on(item)
        if isinstance(result, Deferred) and result.until:
            later.append((item, result.until))
            continue
        _record(item, result)
        watch()
        in_a_row = in_a_row + 1 if _cerby_failed(result) else 0
        if isinstance(result, Failed) and isinstance(result.error, CerbyTooMany):
            end(item.selection, None, result.sentence)
        elif in_a_row >= FAILURES_IN_A_ROW:
            end(item.selection, None, CERBY_IS_AWAY)
    for item, until in later:
        _when_answered(item, until)
        watch()
    _finish(selection_id)


def _when_answered(item: SelectedKey, until: datetime) -> None:
    """Act on a key once Cerby cannot answer to the request for it any more, or has answered.

    If the worker dies meanwhile, another one takes the key over.
    """
    for _ in range(LONGEST_WAIT):
        item.outcome = Outcome.WORKING  # its first part may be done
        result = act_on(item)
        if not isinstance(result, Deferred):
            break
        sleep(min(1.0, max(0.0, (until - timezone.now()).total_seconds())))
    _record(item, result)


def _cerby_failed(result: Result) -> bool:
    return isinstance(result, Failed) and isinstance(result.error, CerbyError | RoleNotConfirmed)


def _next(selection_id: UUID) -> SelectedKey | None:
    """Claim the next key. Return None if there is none, or if the action may not go on at this moment."""
    selection = Selection.objects.filter(pk=selection_id, finished_at=None, stopped_at=None).first()
    if selection is None or selection.started_at is None:
        return None
    if selection.made_at < timezone.now() - Selection.KEPT:
        end(selection, None, EXPIRED)
        return None
    check_for_rollback()
    if selection.act not in EMERGENCY:
        if active_quarantine():
            end(selection, None, QUARANTINED)
            return None
        if not may_revoke():
            return None
    if not node.is_settled() or Pause.active_until():
        return None  # the job that continues actions tries again
    return _claim(selection)


def _claim(selection: Selection) -> SelectedKey | None:
    now = timezone.now()
    free = Q(outcome=Outcome.WAITING) | Q(outcome=Outcome.WORKING, working_until__lte=now)
    elsewhere = SelectedKey.objects.filter(key=OuterRef("key"), outcome=Outcome.WORKING)
    others = ~Exists(elsewhere.exclude(pk=OuterRef("pk")))
    items = selection.items.filter(free, others).select_related("selection__user").order_by("position")
    for item in items[:10]:
        same = SelectedKey.objects.filter(pk=item.pk, outcome=item.outcome, working_until=item.working_until)
        try:
            with transaction.atomic():
                claimed = same.update(outcome=Outcome.WORKING, working_until=now + LEASE)
        except IntegrityError:
            continue  # another action has just begun with this key
        if claimed:
            item.working_until = now + LEASE  # ``outcome`` still says whether another worker had begun
            return item
    return None


def _record(item: SelectedKey, result: Result) -> None:
    """Store the outcome, unless another worker has taken the key over meanwhile."""
    mine = SelectedKey.objects.filter(pk=item.pk, outcome=Outcome.WORKING, working_until=item.working_until)
    with transaction.atomic():
        columns = {"outcome": result.outcome, "sentence": result.sentence[:500], "working_until": None}
        if mine.update(**columns) and result.event is not None:
            log.append(result.event, actor=item.selection.as_actor(), key=item.key)


def _finish(selection_id: UUID) -> None:
    """Mark the action as finished if nothing is left to do, and tell people. A reminder is told before."""
    selection = Selection.objects.filter(pk=selection_id, finished_at=None).first()
    if selection is None:
        return
    _give_up_interrupted(selection)
    unfinished = [Outcome.WORKING] if selection.stopped_at else [Outcome.WAITING, Outcome.WORKING]
    if selection.items.filter(outcome__in=unfinished).exists():
        return
    if selection.act == Selection.Act.REMIND:
        remind_people(selection)
    with transaction.atomic():
        ended = Selection.objects.filter(pk=selection_id, finished_at=None).update(finished_at=timezone.now())
        if ended and selection.act == Selection.Act.REMIND:
            tell_channels_of_reminders(selection)
        elif ended and selection.act == Selection.Act.ROTATE:
            tell_of_rotation_tasks(selection)


def _give_up_interrupted(selection: Selection) -> None:
    """If the action was stopped, nobody takes over the key of a worker that has died."""
    if selection.stopped_at:
        abandoned = selection.items.filter(outcome=Outcome.WORKING, working_until__lte=timezone.now())
        abandoned.update(outcome=Outcome.FAILED, sentence=INTERRUPTED, working_until=None)
