"""Rename a channel, and choose the kinds of notifications that go to it."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from keys.actions.channels.add import check_name, known_kinds
from keys.actions.channels.one_channel import about, channel_in_turn
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import Channel, Throttle
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.validation.text import tidy


def edit_channel(actor: Actor, channel_id: int, *, name: str, kinds: Collection[str]) -> Channel:
    """Its address stays: for another one, add another channel. Raises ``Invalid`` and ``NotFound``."""
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    with transaction.atomic():
        Throttle.objects.locked("channels")
        channel = channel_in_turn(channel_id)
        before = {"name": channel.name, "kinds": channel.kinds}
        channel.name, channel.kinds = tidy(name), known_kinds(kinds)
        check_name(channel)
        after = {"name": channel.name, "kinds": channel.kinds}
        if before != after:
            channel.save(update_fields=["name", "kinds"])
            differing = [part for part in before if before[part] != after[part]]
            said = ({part: values[part] for part in differing} for values in (before, after))
            was, now = said
            log.append(Event.CHANNEL_CHANGED, actor=actor, **about(channel), before=was, after=now)
    return channel
