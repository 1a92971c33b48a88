"""Send a test to a channel, or a notification once more."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.channels.one_channel import about, channel_in_turn
from keys.actions.notifications.deliver import LEASE, attempt
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import Channel, Delivery, Notification
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor


def send_test(actor: Actor, channel_id: int) -> str:
    """Send a test at once. Return "" if it arrived, else the reason as a sentence. Raises ``NotFound``.

    What did not arrive is tried again, as any notification.
    """
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    now = timezone.now()
    with transaction.atomic():
        channel = _enabled(channel_id)
        message = Notification.objects.create(
            kind=Kind.CHANNEL_TEST,
            words=f"This is a test of the channel “{channel.name}”.",
            path=reverse("keys:channel", args=[channel.pk]),
            at=now,
        )
        delivery = Delivery.objects.create(
            notification=message, channel=channel, queued_at=now, retry_at=now + LEASE
        )
        log.append(Event.CHANNEL_TESTED, actor=actor, **about(channel))
    return attempt(delivery)


def send_again(actor: Actor, channel_id: int, delivery_id: int) -> str:
    """Send a notification once more, with the same id. Return "" if it arrived, else the reason.

    Raises ``NotFound``, and ``Conflict`` if the channel is disabled.
    """
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    now = timezone.now()
    with transaction.atomic():
        channel = _enabled(channel_id)
        found = Delivery.objects.select_related("notification").filter(pk=delivery_id, channel=channel)
        delivery = found.first()
        if delivery is None or delivery.notification is None:
            raise NotFound("There is no such delivery.")
        delivery.channel = channel
        delivery.state, delivery.attempts = Delivery.State.WAITING, 0
        delivery.queued_at, delivery.retry_at = now, now + LEASE
        delivery.save(update_fields=["state", "attempts", "queued_at", "retry_at"])
        uid = str(delivery.notification.uid)
        log.append(Event.DELIVERY_REPEATED, actor=actor, **about(channel), notification=uid)
    return attempt(delivery)


def _enabled(channel_id: int) -> Channel:
    channel = channel_in_turn(channel_id)
    if channel.disabled_at is not None:
        raise Conflict("The channel is disabled. Enable it first.")
    return channel
