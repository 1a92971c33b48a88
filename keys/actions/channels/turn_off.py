"""Disable a channel, enable it again, or remove it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from keys.actions.channels.one_channel import about, channel_in_turn
from keys.actions.notifications.deliver import give_up
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import Channel
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor


def disable_channel(actor: Actor, channel_id: int) -> Channel:
    """Send nothing more to it, and give up what waits for it. Raises ``NotFound``."""
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    with transaction.atomic():
        channel = channel_in_turn(channel_id)
        if channel.disabled_at is None:
            channel.disabled_at, channel.disabled_by_portal = timezone.now(), False
            channel.save(update_fields=["disabled_at", "disabled_by_portal"])
            give_up(channel)
            log.append(Event.CHANNEL_DISABLED, actor=actor, **about(channel))
    return channel


def enable_channel(actor: Actor, channel_id: int) -> Channel:
    """Send it new notifications again. Its failures count from now on. Raises ``NotFound``."""
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    with transaction.atomic():
        channel = channel_in_turn(channel_id)
        if channel.disabled_at is not None:
            channel.disabled_at, channel.disabled_by_portal = None, False
            channel.failing_since, channel.failure = None, ""
            channel.save(update_fields=["disabled_at", "disabled_by_portal", "failing_since", "failure"])
            log.append(Event.CHANNEL_ENABLED, actor=actor, **about(channel))
    return channel


def remove_channel(actor: Actor, channel_id: int) -> Channel:
    """Delete the channel with its address, its secrets and its delivery log. Raises ``NotFound``."""
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    with transaction.atomic():
        channel = channel_in_turn(channel_id)
        Channel.objects.filter(pk=channel.pk).delete()
        facts = about(channel) | {"sort": channel.sort, "host": channel.host}
        log.append(Event.CHANNEL_REMOVED, actor=actor, **facts)
    return channel
