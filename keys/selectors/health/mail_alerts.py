"""Alert people if the mail server accepts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from keys.models import Delivery
from keys.rules import formatting
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind

FAILS_FOR = timedelta(minutes=10)
"""Longer than a restart of the mail server."""
LOOKED_AT = 50
"""Mails of each question, so that it costs the same however many wait."""


def mail_alerts(now: datetime) -> Iterator[ActiveAlert]:
    """Yield an alert if a mail has failed for ``FAILS_FOR``, and no newer mail has been accepted since."""
    mails = Delivery.objects.filter(channel=None)
    waiting = mails.filter(state=Delivery.State.WAITING).order_by("retry_at")[:LOOKED_AT]
    failing = [(one.failing_since, one.failure) for one in waiting if one.failing_since]
    since, failure = min(failing, default=(now, ""))
    if since > now - FAILS_FOR:
        return
    newest = mails.order_by("-id").values_list("delivered_at", flat=True)[:LOOKED_AT]
    if any(at and at > since for at in newest):
        return
    yield ActiveAlert(
        kind=AlertKind.MAIL_FAILS,
        subject="",
        words=f"The mail server has accepted no mail since {formatting.to_the_minute(since)}. {failure}",
        advice="Repair the mail server, or PORTAL_EMAIL_URL. The portal tries each mail again for five days.",
        path=reverse("keys:health"),
    )
