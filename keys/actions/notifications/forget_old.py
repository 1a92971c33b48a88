"""Delete old notifications and deliveries, so that the outbox does not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from keys.models import Delivery, Notification
from keys.rules.batches import each_alone, in_turns

DELIVERIES_KEPT_FOR = timedelta(days=90)
NOTIFICATIONS_KEPT_FOR = timedelta(days=400)
AT_ONCE = 500
"""The most rows in one transaction."""
READ_AT_ONCE = 10_000


def forget_old_notifications() -> int:
    """Delete notifications with their items in inboxes, even if nobody has done what they asked for.

    Others can write between the transactions. Return the number of deliveries and notifications.
    """
    count = 0
    for rows in _old():
        while ids := list(rows.values_list("pk", flat=True)[:READ_AT_ONCE]):
            for some in in_turns(each_alone(ids), AT_ONCE):
                rows.model.objects.filter(pk__in=some).delete()
            count += len(ids)
    return count


def has_old_notifications() -> bool:
    return any(rows.exists() for rows in _old())


def _old() -> tuple[QuerySet[Delivery], QuerySet[Notification]]:
    now = timezone.now()
    return (
        Delivery.objects.filter(queued_at__lt=now - DELIVERIES_KEPT_FOR).order_by("queued_at"),
        Notification.objects.filter(at__lt=now - NOTIFICATIONS_KEPT_FOR).order_by("at"),
    )
