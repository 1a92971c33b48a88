"""Delete old notifications and deliveries, so that the outbox does not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from keys.models import Delivery, Notification

DELIVERIES_KEPT_FOR = timedelta(days=90)
NOTIFICATIONS_KEPT_FOR = timedelta(days=400)
AT_ONCE = 5_000
"""Rows that one run deletes. The next run continues."""


def forget_old_notifications() -> None:
    """Delete a notification with its items in inboxes, even if nobody has done what it asked for."""
    now = timezone.now()
    sent = Delivery.objects.filter(queued_at__lt=now - DELIVERIES_KEPT_FOR).order_by("queued_at")
    Delivery.objects.filter(pk__in=list(sent.values_list("pk", flat=True)[:AT_ONCE])).delete()
    old = Notification.objects.filter(at__lt=now - NOTIFICATIONS_KEPT_FOR).order_by("at")
    Notification.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:AT_ONCE])).delete()
