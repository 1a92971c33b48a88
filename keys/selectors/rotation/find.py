"""Return one rotation, or the open one of a key."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from keys.models import ApiKey, Rotation
from keys.models.rotation import IS_OPEN
from keys.rules.errors import NotFound
from keys.rules.lifecycle import State
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for

JOINED = ("old__owner", "new__owner", "started_by")
NOT_FOUND = "There is no such rotation, or you may not see it."


def rotation_for(actor: Actor, rotation_id: UUID) -> Rotation:
    """Return the rotation with both keys. Raise ``NotFound`` if the actor may see neither of them."""
    rotation = Rotation.objects.select_related(*JOINED).filter(pk=rotation_id).first()
    if rotation is None:
        raise NotFound(NOT_FOUND)
    if not actor.may(Action.SEE_KEY, rotation.new):
        try:
            key_for(actor, rotation.old_id)  # records the refusal
        except NotFound as hidden:
            raise NotFound(NOT_FOUND) from hidden
    return rotation


def unstored_successors(key: ApiKey) -> list[ApiKey]:
    """Return the keys that a rotation requested to replace ``key``, and that nobody has stored yet."""
    states = (State.REQUESTED, State.AWAITED, State.CALLING, State.IN_DOUBT, State.READY, State.CLAIMED)
    return list(ApiKey.objects.filter(made_by_rotation__old=key, state__in=states))


def open_rotation_of(key: ApiKey) -> Rotation | None:
    """Return the rotation of ``key`` that is under way, whether the key is the old one or the new one."""
    if key.lineage is None:
        return None
    rows = Rotation.objects.filter(IS_OPEN, Q(old=key) | Q(new=key))
    return rows.select_related(*JOINED).first()
