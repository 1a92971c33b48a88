"""Choose the time zone of one's own pages."""

from __future__ import annotations

from keys.models import User
from keys.rules.errors import Invalid
from keys.rules.permissions import Actor
from keys.rules.time_zones import zones


def choose_time_zone(actor: Actor, name: str) -> None:
    """Show ``actor`` all times in the zone ``name``, or in that of their browser if it is empty.

    This changes nothing for anybody else, so it is not recorded.
    """
    if name and name not in zones():
        raise Invalid(time_zone="Choose one of the time zones in the list.")
    User.objects.filter(pk=actor.user_id).update(time_zone=name)
