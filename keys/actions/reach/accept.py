"""Accept that a key can open more items than before, and compare with the present count from then on."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from keys.actions.notifications.settle import settle
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey, Reach
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.selectors.key.reach import known_counts


def accept_reach(actor: Actor, key_id: UUID) -> None:
    """Raises ``Conflict`` if the reach of the key has not grown, or a person has accepted it already."""
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ACCEPT_REACH, key)
    row = Reach.objects.filter(pk=key.owner_id).first()
    same = ApiKey.objects.filter(pk=key.pk, reach_grew_at__isnull=False, reach_grew_at=key.reach_grew_at)
    with transaction.atomic():
        if row is None or same.update(reach_grew_at=None, reach_since=row.counted_at) != 1:
            raise Conflict("The reach of this key has not grown since it was last accepted. Reload the page.")
        log.append(Event.KEY_REACH_ACCEPTED, actor=actor, key=key, reach=known_counts(row))
        settle(Kind.REACH_GROWN, key=key)
