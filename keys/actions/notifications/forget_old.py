"""Delete old notifications and deliveries, so that the outbox does not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from keys.models import Delivery, Notification
from keys.rules.batches import each_alone, in_turns

DELIVERIES_KEPT_FOR = timedelta(days=90)
NOTIFICATIONS_KEPT_FOR = timedelta(days=400)
AT_ONCE = 5_000
"""Rows that one run deletes. The next run continues."""
DELETED_AT_ONCE = 500
"""The most rows in one transaction."""


def forget_old_notifications() -> None:
    """Delete a notification with its items in inboxes, even if nobody has done what it asked for."""
    now = timezone.now()
    sent = Delivery.objects.filter(queued_at__lt=now - DELIVERIES_KEPT_FOR).order_by("queued_at")
    for some in in_turns(each_alone(list(sent.values_list("pk", flat=True)[:AT_ONCE])), DELETED_AT_ONCE):
        Delivery.objects.filter(pk__in=some).delete()
    old = Notification.objects.filter(at__lt=now - NOTIFICATIONS_KEPT_FOR).order_by("at")
    for some in in_turns(each_alone(list(old.values_list("pk", flat=True)[:AT_ONCE])), DELETED_AT_ONCE):
        Notification.objects.filter(pk__in=some).delete()
