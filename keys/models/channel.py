"""Store the channels of the organisation, and each delivery to a channel or by mail."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.delivery_target import BackoffTarget, DeliveryTarget
from keys.models.notification import Notification
from keys.rules.notifications import ChannelKind


class Channel(DeliveryTarget):
    """A webhook, or a channel of Slack or Teams, that gets the notifications of ``kinds``.

    ``url`` is encrypted, because it may contain a secret; ``host`` is its visible part. ``secrets``: those
    that sign, the newest first, each with ``sealed``, the encrypted secret, and ``until``, the time of its
    end as an ISO text, or None. ``disabled_by_portal``: it had failed for too long.
    """

    name = models.CharField(max_length=60, unique=True)
    sort = models.CharField(max_length=10, choices=[(kind.value, kind.label) for kind in ChannelKind])
    url = models.TextField()
    host = models.CharField(max_length=253)
    secrets = models.JSONField(default=list)
    kinds = models.JSONField(default=list)
    made_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_by_portal = models.BooleanField(default=False)

    @property
    def is_signed(self) -> bool:
        return self.sort == ChannelKind.WEBHOOK


class Delivery(BackoffTarget):
    """One notification on its way to a channel, or one mail on its way ``to`` addresses.

    It is due at ``retry_at`` while it is waiting. ``attempts``: so many have failed since ``queued_at``.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        GIVEN_UP = "given-up", "Given up"

    name = None  # type: ignore[assignment]  # so Django leaves out the inherited column
    notification = models.ForeignKey(
        Notification, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.ForeignKey(
        Channel, null=True, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    to = models.JSONField(default=list)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    queued_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = (
            models.Index("channel", "retry_at", name="delivery_waiting", condition=Q(state="waiting")),
            models.Index("channel", "id", name="delivery_by_channel"),
        )

    def __str__(self) -> str:
        return f"{self.notification_id} to {self.channel_id or 'mail'}"
