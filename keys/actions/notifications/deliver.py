"""Send what waits in the outbox, and try again later what could not be sent.

A worker claims a delivery with one conditional UPDATE before it sends, so that no other worker sends it at
the same time. If it dies, the delivery is due again after ``LEASE``: at least once, never lost. Receivers
know a repetition by its id.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus

import structlog
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.audit import log
from keys.delivery import channels, ledger, mail
from keys.delivery.https import NotDelivered
from keys.models import Channel, Delivery, User
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import HIGHEST

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
)
"""After each failure of one delivery, as Standard Webhooks proposes, with jitter (keys.delivery.ledger)."""
GIVE_UP_AFTER = DISABLE_AFTER = timedelta(days=5)
LEASE = timedelta(minutes=2)
"""Longer than one attempt by HTTPS or mail."""
BATCH = 50
"""Deliveries of one channel in one run, and mails."""
SECONDS_PER_RUN = 20.0
FAILURES_PER_RUN = {"mail": 3, "channel": 1}
"""A mail can fail because of its recipient, so the next one may be accepted."""
FURTHEST = timedelta(hours=20)
"""A delivery is never due later than this. A later time is not the portal's."""

logger = structlog.get_logger(__name__)


def deliver_due() -> str:
    """Send what is due: mails first, then the channels that work, then those that fail. Return a summary.

    A channel that fails is not tried again in the same run, so that it doesn't hold up the others.
    """
    ends = time.monotonic() + SECONDS_PER_RUN
    outcomes = [_deliver_to(channel, ends) for channel in (None, *_enabled())]
    sent, failed = (sum(counts) for counts in zip(*outcomes, strict=True))
    return f"Sent: {sent}; failed: {failed}"


def _deliver_to(channel: Channel | None, ends: float) -> tuple[int, int]:
    """Send what is due to ``channel``, or by mail. Return how many arrived, and how many failed."""
    sent, failed = 0, 0
    for delivery in _due(channel):
        if time.monotonic() >= ends or failed == FAILURES_PER_RUN["channel" if channel else "mail"]:
            break
        if not claim(delivery):
            continue
        if attempt(delivery):
            failed += 1
        else:
            sent += 1
    return sent, failed


def _enabled() -> list[Channel]:
    found = list(Channel.objects.filter(disabled_at=None).order_by("pk"))
    return sorted(found, key=lambda one: one.failing_since is not None)


def _due(channel: Channel | None) -> Iterator[Delivery]:
    now = timezone.now()
    waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING)
    due = waiting.filter(Q(retry_at__lte=now) | Q(retry_at__gt=now + FURTHEST))
    yield from due.select_related("notification", "channel").order_by("retry_at")[:BATCH]


def claim(delivery: Delivery) -> bool:
    """Return whether this worker may send ``delivery``. If so, no other one does before ``LEASE`` is over."""
    same = Delivery.objects.filter(
        pk=delivery.pk, state=Delivery.State.WAITING, retry_at=delivery.retry_at, attempts=delivery.attempts
    )
    delivery.retry_at = timezone.now() + LEASE
    return same.update(retry_at=delivery.retry_at) == 1


def attempt(delivery: Delivery) -> str:
    """Send a claimed delivery, and record the outcome. Return "" if it arrived, else the reason.

    Call this outside a transaction.
    """
    now = timezone.now()
    try:
        _send(delivery, now)
    except ledger.FAILURES as error:
        return _failed(delivery, error)
    attempts = delivery.attempts + 1
    ledger.note_delivery(delivery, timezone.now(), state=Delivery.State.DELIVERED, attempts=attempts)
    if delivery.channel is not None:
        ledger.note_delivery(delivery.channel, timezone.now())
    return ""


def _send(delivery: Delivery, now: datetime) -> None:
    if delivery.channel is None:
        mail.send(delivery.to, delivery.subject, delivery.text)
    elif delivery.notification is not None:
        channels.send_to_channel(delivery.channel, delivery.notification, now)


def _failed(delivery: Delivery, error: OSError | NotDelivered) -> str:
    now = timezone.now()
    summary = ledger.note_failure(delivery, error, now, PAUSES)
    if now - delivery.queued_at >= GIVE_UP_AFTER:
        waiting = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING)
        waiting.update(state=Delivery.State.GIVEN_UP)
    if delivery.channel is None:
        logger.warning("mail_not_sent")
        return summary
    logger.warning("channel_failed")
    ledger.note_failure(delivery.channel, error, now)
    since = delivery.channel.failing_since or now
    is_gone = isinstance(error, NotDelivered) and error.answered == HTTPStatus.GONE
    if is_gone or now - since >= DISABLE_AFTER:
        disable_failing(delivery.channel, summary)
    return summary


def disable_failing(channel: Channel, summary: str) -> None:
    """Send nothing more to a channel that says that it is gone, or that has failed for ``DISABLE_AFTER``."""
    with transaction.atomic():
        enabled = Channel.objects.filter(pk=channel.pk, disabled_at=None)
        if not enabled.update(disabled_at=timezone.now(), disabled_by_portal=True):
            return
        give_up(channel)
        log.append(
            Event.CHANNEL_DISABLED,
            actor=None,
            reason=f"The channel {summary}",
            channel=str(channel.pk),
            name=channel.name,
        )
        notify(
            Kind.CHANNEL_DISABLED,
            words=f"The portal has disabled the channel “{channel.name}”, because it {summary}",
            text="It gets no notifications any more. Repair that end, then enable it again.",
            path=reverse("keys:channel", args=[channel.pk]),
            to=User.objects.filter(is_active=True, role__in=HIGHEST),
        )


def give_up(channel: Channel) -> None:
    """Stop the deliveries that wait for ``channel``. People can send each of them again."""
    waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING)
    waiting.update(state=Delivery.State.GIVEN_UP)
