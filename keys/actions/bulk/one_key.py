"""Do a bulk action to one key, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import structlog
from django.utils import timezone

from keys import cerby
from keys.actions.keys.adopt import adopt_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.edit import Edit, edit_key
from keys.actions.notifications.notify import mailed
from keys.actions.people.confirm_role import authorize_now
from keys.actions.rotation_tasks.ask import ask_for_rotation
from keys.actions.rotation_tasks.withdraw import withdraw_rotation_task
from keys.models import ApiKey, RotationTask, SelectedKey, Selection
from keys.models.selection import EMERGENCY
from keys.rules.bulk import changes
from keys.rules.errors import Conflict, Invalid, PortalError
from keys.rules.events import Event
from keys.rules.formatting import spoken_day
from keys.rules.lifecycle import ENDED, Phase, State
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.rules.working_days import due_day, working_days
from keys.selectors.key.people_of_keys import addresses, people_of
from keys.selectors.rotation.find import unstored_successors
from keys.validation.ownership import Ownership
from portal.outage import is_outage

CALLED_OFF = "The rotation was called off, and its new key stopped."
Act, Outcome = Selection.Act, SelectedKey.Outcome
"""Acts that do not skip a key that changed after it was selected: it is still a danger."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Result:
    """``event`` is to be appended with the outcome, if the action has not appended one itself."""

    outcome: str
    sentence: str = ""
    event: Event | None = None


@dataclass(frozen=True)
class Deferred(Result):
    """The key can be stopped from ``until`` on, because Cerby is being asked for it at this moment."""

    until: datetime | None = None


@dataclass(frozen=True)
class Failed(Result):
    error: PortalError | None = None


def act_on(item: SelectedKey) -> Result:
    """Do the list's action to the key of ``item``. Call this outside a transaction.

    ``item.outcome`` is its outcome before it was claimed: if it is WORKING, another worker has begun.
    """
    selection = item.selection
    actor = selection.as_actor()
    key = ApiKey.objects.select_related("owner", "accountable", "backup").get(pk=item.key_id)
    item.key = key
    has_begun = item.outcome == Outcome.WORKING
    changed = changes(item.seen, {**vars(key), "pk": key.pk}, has_begun=has_begun)
    if changed and selection.act not in EMERGENCY:
        return Result(Outcome.SKIPPED, f"Its {changed} changed after it was selected.")
    try:
        return _ACTS[Act(selection.act)](actor, item, has_begun)
    except Conflict as conflict:
        return Result(Outcome.SKIPPED, conflict.sentence)
    except Invalid as invalid:
        return Result(Outcome.FAILED, " ".join(invalid.fields.values()) or invalid.sentence)
    except PortalError as error:
        return Failed(Outcome.FAILED, error.sentence, error=error)
    except Exception as error:
        if is_outage(error):
            raise  # nothing is recorded, so a worker goes on with this key when the database is back
        logger.exception("bulk_action_failed", key_id=str(key.pk))
        return Failed(Outcome.FAILED, "Something went wrong. The worker's log says more.")


def _being_generated_until(key: ApiKey) -> datetime | None:
    """Return until when Cerby may still answer to a request for ``key``, or for its successor."""
    keys = ApiKey.objects.filter(pk__in=[key.pk, *(new.pk for new in unstored_successors(key))])
    waiting = keys.filter(state=State.CALLING, lease_until__gt=timezone.now())
    return waiting.order_by("lease_until").values_list("lease_until", flat=True).first()


def _delete(actor: Actor, item: SelectedKey, has_begun: bool) -> Result:
    if item.key.state in ENDED:
        if has_begun and item.key.state in {State.REVOKED, State.WITHDRAWN}:
            return Result(Outcome.DONE)
        return Result(Outcome.SKIPPED, "There was nothing to delete.")
    deleted = delete_key(actor, item.key.pk)
    if deleted.state == State.REVOKING:
        return Result(Outcome.BY_HAND, "Delete it in Cerby's web app, then confirm that.")
    return Result(Outcome.DONE)


def _stop(actor: Actor, item: SelectedKey, has_begun: bool) -> Result:
    """Delete the key, and then the key that is being made to replace it, so that no new one appears.

    Nobody can begin a rotation of a key that has ended, so nothing comes after that.
    """
    try:
        result = _delete(actor, item, has_begun)
        for new in unstored_successors(item.key):
            delete_key(actor, new.pk)
            result = Result(result.outcome, f"{result.sentence} {CALLED_OFF}".strip(), result.event)
    except Conflict as conflict:
        until = _being_generated_until(item.key)
        if until is None:
            raise
        return Deferred(Outcome.FAILED, conflict.sentence, until=until)
    return result


def _drill(actor: Actor, item: SelectedKey, _has_begun: bool) -> Result:
    """Check what an emergency stop would need, and change nothing."""
    key = item.key
    if key.state in ENDED:
        return Result(Outcome.SKIPPED, "There was nothing to stop.")
    authorize_now(actor, Action.DELETE_KEY, key)
    if key.phase == Phase.PENDING:
        return Result(Outcome.DONE, "A drill: the request for it would be withdrawn.")
    if key.cerby_id is None or key.is_deleted_by_hand:
        return Result(Outcome.DONE, "A drill: a person would have to delete it in Cerby's web app.")
    cerby.connect().key(key.cerby_id)
    return Result(Outcome.DONE, "A drill: it would be stopped. Cerby knows it, and it still works.")


def _adopt(actor: Actor, item: SelectedKey, has_begun: bool) -> Result:
    purpose = item.purpose or item.selection.asks.get("purpose", "")
    if not purpose:
        return Result(Outcome.SKIPPED, "No purpose was entered for it.")
    if has_begun and item.key.purpose == purpose:
        return Result(Outcome.DONE)
    adopt_key(actor, item.key.pk, purpose=purpose)
    return Result(Outcome.DONE)


def _edit(actor: Actor, item: SelectedKey, _has_begun: bool) -> Result:
    """Set the values that were entered, add the tags, and leave the others as they are."""
    key, asks = item.key, item.selection.asks
    entered = {name: asks[name] for name in ("accountable", "team") if asks.get(name)}
    if asks.get("review_on"):
        entered["review_on"] = date.fromisoformat(asks["review_on"])
    present = Ownership(
        accountable=key.accountable.email if key.accountable else "",
        backup=key.backup.email if key.backup else "",
        team=key.team,
        system=key.system,
        kind=key.kind,
        environment=key.environment,
        review_on=key.review_on,
        tags=tuple(sorted({*key.tags, *asks.get("tags", [])})),
    )
    wanted = Edit(replace(present, **entered), note=key.note)
    changed = edit_key(actor, key.pk, wanted, version=key.version)
    return Result(Outcome.DONE, "" if changed else "It had these values already.")


def _remind(actor: Actor, item: SelectedKey, _has_begun: bool) -> Result:
    key = item.key
    authorize_now(actor, Action.REMIND_OWNER, key)
    if key.phase != Phase.LIVE:
        return Result(Outcome.SKIPPED, "It is not in use, so there is nothing to remind of.")
    people = people_of(key)
    if not addresses(people):
        return Result(Outcome.SKIPPED, "All its people have left, and no admin gets mails.")
    left = "" if people else "All its people have left. "
    to = mailed(people, [Kind.KEY_REMINDED])
    told = f"A mail goes to {', '.join(to)}." if to else "Its people want no mails about that."
    return Result(Outcome.DONE, f"{left}{told}", Event.KEY_REMINDED)


def _rotate(actor: Actor, item: SelectedKey, _has_begun: bool) -> Result:
    """Ask for the rotation by the day that the place of the key in the list gives."""
    selection = item.selection
    days = working_days(*(date.fromisoformat(selection.asks[name]) for name in ("first", "last")))
    task = ask_for_rotation(actor, item.key.pk, due_day(days, item.position, selection.count))
    whom = task.assigned.name if task.assigned else "Any admin"
    return Result(Outcome.DONE, f"{whom} is asked to rotate it by {spoken_day(task.due_on)}.")


def _unask(actor: Actor, item: SelectedKey, has_begun: bool) -> Result:
    if not (has_begun and not RotationTask.objects.filter(key=item.key).exists()):
        withdraw_rotation_task(actor, item.key.pk)
    return Result(Outcome.DONE)


_ACTS = {
    Act.DELETE: _delete,
    Act.ADOPT: _adopt,
    Act.EDIT: _edit,
    Act.REMIND: _remind,
    Act.ROTATE: _rotate,
    Act.UNASK: _unask,
    Act.STOP: _stop,
    Act.DRILL: _drill,
}
