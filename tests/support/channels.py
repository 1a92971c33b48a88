"""Channels of notifications, for tests."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone

from keys.delivery import channels
from keys.models import Channel, Delivery, Notification
from keys.rules.notifications import FOR_PEOPLE, Kind


def a_channel(url: str = "https://127.0.0.1:9/in", sort: str = "webhook", **columns: Any) -> Channel:
    """Create a channel for all kinds without an event. The default address is not public."""
    secrets = [{"sealed": channels.seal(channels.new_secret()), "until": None}] if sort == "webhook" else []
    facts = {"name": uuid.uuid4().hex, "secrets": secrets, "kinds": list(FOR_PEOPLE)}
    sealed = {"url": channels.seal(url), "host": channels.host_of(url), "made_at": timezone.now()}
    return Channel.objects.create(**{"sort": sort, **facts, **sealed, **columns})


def a_delivery(channel: Channel, words: str = "“Nightly” expires.") -> Delivery:
    """Create a notification that waits for ``channel`` alone."""
    now = timezone.now()
    message = Notification.objects.create(kind=Kind.KEY_EXPIRES, words=words, path="/keys/", at=now)
    return Delivery.objects.create(notification=message, channel=channel, queued_at=now, retry_at=now)
