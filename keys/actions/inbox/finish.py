"""Mark tasks in one's own inbox as done, and messages as read."""

from __future__ import annotations

from django.utils import timezone

from keys.models import InboxItem
from keys.rules.errors import Conflict, NotFound
from keys.rules.permissions import Actor

AT_ONCE = 1000
DONE = InboxItem.State.DONE


def finish(actor: Actor, item_id: int) -> InboxItem:
    """Mark one item as done. Raises ``NotFound`` if it is not in the actor's inbox.

    This changes nothing but the inbox: a task's key or request stays as it is. So it is not recorded.
    Raises ``Conflict`` for a task that only the act itself ends, such as a decision about a leaver's keys.
    """
    item = InboxItem.objects.select_related("notification").filter(pk=item_id, user_id=actor.user_id).first()
    if item is None:
        raise NotFound("There is no such item in your inbox.")
    if not item.may_finish:
        raise Conflict("This task ends when what it asks for is done. Open it to do that.")
    InboxItem.objects.filter(pk=item.pk).exclude(state=DONE).update(state=DONE, done_at=timezone.now())
    return item


def read_all(actor: Actor) -> int:
    """Mark the oldest ``AT_ONCE`` unread messages as read, and return their number. Tasks stay."""
    unread = InboxItem.objects.filter(user_id=actor.user_id, state=InboxItem.State.MESSAGE)
    ids = list(unread.order_by("id").values_list("pk", flat=True)[:AT_ONCE])
    return unread.filter(pk__in=ids).update(state=DONE, done_at=timezone.now())
