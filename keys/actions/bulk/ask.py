"""Ask a second person before many keys are deleted at once, and start the deletion when they approve."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.bulk.as_started import record_start
from keys.actions.bulk.start import Enqueue, check_other_deletions, check_start
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.open import open_request
from keys.actions.requests.use import use
from keys.models import AccessRequest, SelectedKey, Selection
from keys.rules.errors import Conflict, OutOfDate
from keys.rules.permissions import Action, Actor, Role
from keys.rules.requests import RequestKind, RequestState
from keys.selectors.bulk.selection import selection_for
from keys.selectors.inventory.table import visible_to
from keys.selectors.requests.needs import approvals_to_delete
from keys.validation.text import check_text

CHANGED = "The list is not the one that was approved, so nothing was deleted."


def request_deletion(
    actor: Actor, selection_id: UUID, enqueue: Enqueue, *, typed: str, reason: str, ticket: str = ""
) -> AccessRequest:
    """Ask for the approval of the deletion of the person's list. It starts with the last approval.

    With ``ticket`` it starts at once (break-glass). Raises ``Invalid`` and ``Conflict`` as ``start_bulk``
    does, and ``Conflict`` if the list waits for approval already.
    """
    visible_to(actor)
    if ticket:
        actor = authorize_now(actor, Action.BREAK_GLASS)
        check_text("ticket", "The ticket", ticket, 100)
    selection = selection_for(actor, selection_id)
    if selection.started_at is not None:
        raise Conflict("An action on this list was already started.")
    check_start(actor, selection, Selection.Act.DELETE, typed)
    keys = (
        SelectedKey.objects.filter(selection=selection).order_by("position").values_list("key_id", flat=True)
    )
    act = {"kind": RequestKind.DELETE.value, "keys": [str(key_id) for key_id in keys]}
    with transaction.atomic():
        check_other_deletions(selection)  # the person's deletions take turns until the transaction ends
        if waiting_for(selection) is not None:
            raise Conflict("The deletion of this list waits for approval already.")
        Selection.objects.filter(pk=selection.pk).update(ip=actor.ip, browser=actor.browser)
        request = open_request(
            actor,
            RequestKind.DELETE,
            act,
            reason=reason,
            needed=approvals_to_delete(selection),
            decide_by=selection.made_at + Selection.KEPT,
            ticket=ticket,
            subject=selection.pk,
            least_role=Role.ADMIN,  # any admin may delete
        )
        if ticket:
            begin_approved(request, enqueue)
    return request


def waiting_for(selection: Selection) -> AccessRequest | None:
    """Return the request to delete this list that nobody has decided yet, or None."""
    requests = AccessRequest.objects.filter(subject=selection.pk, kind=RequestKind.DELETE)
    return requests.filter(state=RequestState.OPEN, decide_by__gt=timezone.now()).first()


def _keys_of(selection: Selection) -> list[str]:
    items = SelectedKey.objects.filter(selection=selection).order_by("position")
    return [str(key_id) for key_id in items.values_list("key_id", flat=True)]


def begin_approved(request: AccessRequest, enqueue: Enqueue) -> None:
    """Start the deletion as the person who asked for it. Call this in the transaction of the last approval.

    Raises ``Conflict`` if the list is gone, or is not the one that was approved.
    """
    lists = Selection.objects.filter(pk__in=[request.subject], started_at=None)
    selection = lists.first()
    if selection is None:
        raise OutOfDate("The list of keys is older than 24 hours, or its action was started already.")
    keys = (
        SelectedKey.objects.filter(selection=selection).order_by("position").values_list("key_id", flat=True)
    )
    if [str(key_id) for key_id in keys] != request.act["keys"]:
        raise OutOfDate(CHANGED)
    check_other_deletions(selection)
    actor = selection.as_actor()
    now = timezone.now()
    waiting = Selection.objects.filter(pk=selection.pk, started_at=None)
    if not waiting.update(act=Selection.Act.DELETE, asks={}, started_at=now):
        raise Conflict("An action on this list was already started.")
    selection.refresh_from_db()
    used = use(actor, request.pk, subject=selection.pk)
    record_start(selection, actor, request.reason, request=str(used.pk), digest=used.digest)
    enqueue(str(selection.pk))
