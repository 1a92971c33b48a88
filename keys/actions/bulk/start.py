"""Start a bulk action on a frozen list of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from keys.actions.bulk.as_started import record_start
from keys.actions.people.accountable import active_person
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.open import open_request
from keys.actions.requests.use import use
from keys.models import SelectedKey, Selection, User
from keys.models.selection import EMERGENCY
from keys.rules.bulk import MOST_DELETED, TYPED_ABOVE
from keys.rules.errors import Conflict, Invalid, NeedsApproval
from keys.rules.permissions import Action, Actor, Role
from keys.rules.requests import RequestKind
from keys.rules.working_days import LONGEST_PERIOD, working_days
from keys.selectors.bulk.selection import obstacle, offered, offered_in_emergency, selection_for
from keys.selectors.inventory.table import visible_to
from keys.selectors.requests.needs import approvals_to_delete
from keys.validation.new_key import check_purpose
from keys.validation.ownership import Ownership, check_ownership
from keys.validation.text import check_reason

Act = Selection.Act
_NEEDED = {
    Act.ADOPT: Action.ADOPT_KEY,
    **dict.fromkeys((Act.ROTATE, Act.UNASK), Action.ASK_TO_ROTATE),
    **dict.fromkeys(EMERGENCY, Action.STOP_KEYS),
}
"""The permission for the act as a whole. Each key is checked as well."""
Enqueue = Callable[[str], object]


def start_bulk(
    actor: Actor,
    selection_id: UUID,
    act: Selection.Act,
    enqueue: Enqueue,
    *,
    typed: str = "",
    purpose: str = "",
    purposes: Mapping[UUID, str] | None = None,
    ownership: Ownership | None = None,
    reason: str = "",
    period: tuple[date, date] | None = None,
) -> Selection:
    """Start ``act`` on the list, and ``enqueue`` it by its id, both or neither.

    ``typed``: the number of keys that the person typed. ``purpose`` is for all adopted keys, ``purposes`` for
    some by their id. ``ownership``: the values to set for all edited keys, and the tags to add. ``reason``:
    why keys are stopped in an emergency. ``period``: the first and the last day by which keys are to be
    rotated. The permission is checked again for each key. Raises ``Invalid`` if an entry is wrong,
    ``Conflict`` if the list already has an action or ``act`` cannot start, and ``NeedsApproval`` if a second
    person must approve it (keys.actions.bulk.ask).
    """
    visible_to(actor)
    if act in _NEEDED:
        actor = authorize_now(actor, _NEEDED[act])
    selection = selection_for(actor, selection_id)
    check_start(actor, selection, act, typed)
    if act is Act.DELETE and (needed := approvals_to_delete(selection)):
        raise NeedsApproval(needed)
    asks: dict[str, Any] = {}
    if act is Act.ADOPT:
        asks = {"purpose": purpose}
        _check_purposes(purpose, purposes or {})
    elif act is Act.EDIT:
        asks = _check_ownership(ownership or Ownership())
    elif act is Act.ROTATE:
        asks = _check_period(period)
    elif act is Act.STOP:
        check_reason(reason)
    with transaction.atomic():
        if act is Act.DELETE:
            check_other_deletions(selection)
        started = Selection.objects.filter(pk=selection.pk, started_at=None).update(
            act=act, asks=asks, started_at=timezone.now(), ip=actor.ip, browser=actor.browser
        )
        if not started:
            raise Conflict("An action on this list was already started.")
        if purposes:
            _store(selection, purposes)
        selection.refresh_from_db()
        record_start(selection, actor, reason, **_to_be_reviewed(actor, selection, reason))
        enqueue(str(selection.pk))
    return selection


def _to_be_reviewed(actor: Actor, selection: Selection, reason: str) -> dict[str, str]:
    """Let another person review an emergency stop of many keys, which nobody approved. Return the details."""
    if selection.act != Act.STOP or selection.count <= TYPED_ABOVE:
        return {}
    act = {"kind": RequestKind.DELETE.value, "count": selection.count, "list": str(selection.pk)}
    made = open_request(
        actor,
        RequestKind.DELETE,
        act,
        reason=reason,
        needed=1,
        ticket="Emergency stop",
        subject=selection.pk,
        least_role=Role.ADMIN,
        is_bounded=False,
    )
    used = use(actor, made.pk, subject=selection.pk)
    return {"request": str(used.pk), "digest": used.digest}


def check_start(actor: Actor, selection: Selection, act: Selection.Act, typed: str) -> None:
    """Raise ``Conflict`` if ``act`` cannot start, or ``Invalid`` if the number of keys was not typed."""
    if act not in {*offered(actor), *offered_in_emergency(actor)}:
        raise Conflict("You may not do this with several keys.")
    reason = obstacle(act, selection.count)
    if reason:
        raise Conflict(reason)
    if (
        act in {Act.DELETE, Act.STOP}
        and selection.count > TYPED_ABOVE
        and typed.strip() != str(selection.count)
    ):
        raise Invalid(typed=f"Type {selection.count}, the number of keys that will be deleted.")


def check_other_deletions(selection: Selection) -> None:
    """Raise ``Conflict`` if, with the person's deletions that are running, too many keys are deleted at once.

    The person's deletions take turns until the transaction ends.
    """
    User.objects.select_for_update(no_key=True).get(pk=selection.user_id)
    since = timezone.now() - Selection.KEPT
    mine = Selection.objects.filter(
        user_id=selection.user_id, act=Act.DELETE, made_at__gt=since, finished_at=None
    )
    running = mine.exclude(pk=selection.pk).aggregate(keys=Sum("count"))["keys"] or 0
    if running and running + selection.count > MOST_DELETED:
        raise Conflict(
            f"You are deleting {running} other keys. At most {MOST_DELETED} can be deleted at once. Try "
            "again when that is done."
        )


def _check_purposes(purpose: str, purposes: Mapping[UUID, str]) -> None:
    if not purpose and not any(purposes.values()):
        raise Invalid(purpose="Enter a purpose for all keys, or choose a file with a purpose for each.")
    for each in {purpose, *purposes.values()} - {""}:
        check_purpose(each)


def _check_ownership(ownership: Ownership) -> dict[str, Any]:
    """Return the values to store. May ask Cerby for the accountable person."""
    if ownership == Ownership():
        raise Invalid("Fill in at least one field. Fields that stay empty are not changed.")
    check_ownership(ownership)
    if ownership.accountable:
        active_person(ownership.accountable, "accountable")
    return {
        "accountable": ownership.accountable,
        "team": ownership.team,
        "review_on": ownership.review_on.isoformat() if ownership.review_on else "",
        "tags": list(ownership.tags),
    }


def _check_period(period: tuple[date, date] | None) -> dict[str, str]:
    """Return the values to store."""
    if period is None:
        raise Invalid(first="Enter the first and the last day.")
    first, last = period
    if first < timezone.localdate():
        raise Invalid(first="This day has passed. Choose today or a later day.")
    if last < first:
        raise Invalid(last="This is before the first day.")
    if last - first > LONGEST_PERIOD:
        raise Invalid(last="Choose a day within a year after the first day.")
    if not working_days(first, last):
        raise Invalid(last="The period has no working day. Choose a later day.")
    return {"first": first.isoformat(), "last": last.isoformat()}


def _store(selection: Selection, purposes: Mapping[UUID, str]) -> None:
    """Store a purpose for each key in one statement: Django's bulk_update would take ten times as long."""
    items = SelectedKey.objects.filter(selection=selection).values_list("pk", "key_id")
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE keys_selectedkey SET purpose = %s WHERE id = %s",
            [(purposes.get(key_id, ""), pk) for pk, key_id in items],
        )
