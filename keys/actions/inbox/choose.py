"""Choose how one wants to be told of each kind of notification."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from keys.audit import log
from keys.models import NotificationChoice, User
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.notifications import MUTABLE, How, Kind
from keys.rules.permissions import Actor
from keys.selectors.inbox.choices import choices_of


def choose_notifications(actor: Actor, chosen: Mapping[str, str]) -> None:
    """Store ``chosen``, which maps kinds to ways; kinds that are missing stay as they are.

    It is recorded, because a muted task may be missed. Raises ``Invalid`` for a kind that must not be muted.
    """
    wanted: dict[str, str] = {}
    for kind, how in chosen.items():
        if kind not in {one.value for one in MUTABLE} or how not in {one.value for one in How}:
            raise Invalid("One of these choices is not offered.")
        wanted[kind] = how
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=actor.user_id)
        before = choices_of(actor.user_id)
        changed = {kind: how for kind, how in wanted.items() if before[Kind(kind)] != how}
        for kind, how in changed.items():
            NotificationChoice.objects.update_or_create(
                user_id=actor.user_id, kind=kind, defaults={"how": how}
            )
        if changed:
            was = {Kind(kind).label: before[Kind(kind)].label for kind in changed}
            now = {Kind(kind).label: How(how).label for kind, how in changed.items()}
            ways = [f"{kind} {how}" for kind, how in changed.items()]
            log.append(Event.NOTIFICATIONS_CHOSEN, actor=actor, before=was, after=now, chosen=ways)
