"""Take tasks out of everybody's inbox, because somebody has done what they ask for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils import timezone

from keys.models import AccessRequest, ApiKey, InboxItem, User
from keys.rules.notifications import Kind

DONE = InboxItem.State.DONE


def settle(
    *kinds: Kind,
    key: ApiKey | None = None,
    person: User | None = None,
    request: AccessRequest | None = None,
    once: str = "",
    but_of: Collection[int] = (),
    only_of: Collection[int] = (),
) -> int:
    """Mark the waiting items of these kinds about ``key``, ``person`` or ``request`` as done.

    Return their number.

    ``once``: the name of the notification, if it has neither a key nor a person.

    Call it in the transaction of the act that makes them obsolete, such as a decision about a leaver's key.
    The items of the people with the ids ``but_of`` stay. With ``only_of``, those of all others stay.
    """
    if key is None and person is None and request is None and not once:
        raise ValueError("Say which key, person or request the tasks are about.")
    about: dict[str, Any] = {"notification__key": key} if key is not None else {}
    about |= {"notification__person": person} if person is not None else {}
    about |= {"notification__request": request} if request is not None else {}
    about |= {"notification__once": once} if once else {}
    about |= {"user__in": only_of} if only_of else {}
    waiting = InboxItem.objects.filter(notification__kind__in=kinds, **about).exclude(state=DONE)
    waiting = waiting.exclude(user__in=but_of)
    return waiting.update(state=DONE, done_at=timezone.now())
