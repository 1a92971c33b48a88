"""Find a channel for a change: check the rights, and lock its row."""

from __future__ import annotations

from typing import Any

from keys.models import Channel
from keys.rules.errors import NotFound


def channel_in_turn(channel_id: int) -> Channel:
    """Return the channel as it stays until the transaction ends. Raises ``NotFound``."""
    channel = Channel.objects.select_for_update().filter(pk=channel_id).first()
    if channel is None:
        raise NotFound("There is no such channel.")
    return channel


def about(channel: Channel) -> dict[str, Any]:
    """Return the details by which an event names the channel."""
    return {"channel": str(channel.pk), "name": channel.name}
