"""Note what is wrong and what is over, and mail it: each once, and never more than so many mails an hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from keys.models import Alert, User
from keys.rules.policy import HIGHEST
from keys.selectors.health.alerts import ActiveAlert, AlertKind, active_alerts
from keys.selectors.health.audit_log import audit_health

MAILS_AN_HOUR = 6
KEPT_FOR = timedelta(days=90)
GRACE = {
    AlertKind.CERBY_AWAY: timedelta(minutes=30),
    AlertKind.JOB_LATE: timedelta(minutes=5),
    AlertKind.AUDIT_LOG: timedelta(minutes=5),
    AlertKind.ANCHOR_FAILS: timedelta(minutes=30),
    AlertKind.SIEM_FAILS: timedelta(minutes=30),
}
"""What may pass by itself is mailed when it has lasted that long."""

logger = structlog.get_logger(__name__)


def keep_alerts() -> str:
    """Bring the alerts up to date and mail what is news. Returns a summary."""
    now = timezone.now()
    found = active_alerts(now, audit_health())
    _open_and_close(found, now)
    Alert.objects.filter(until__lt=now - KEPT_FOR).delete()
    return f"Alerts: {len(found)}; {_mail(found, now)}"


def _open_and_close(found: Sequence[ActiveAlert], now: datetime) -> None:
    rows = [Alert(kind=one.kind, subject=one.subject, words=one.words[:700], since=now) for one in found]
    Alert.objects.bulk_create(rows, ignore_conflicts=True)
    there = {(one.kind, one.subject) for one in found}
    over = [row.pk for row in _open() if (row.kind, row.subject) not in there]
    Alert.objects.filter(pk__in=over).update(until=now)


def _open() -> list[Alert]:
    return list(Alert.objects.filter(until__isnull=True).order_by("since", "pk"))


def _mail(found: Sequence[ActiveAlert], now: datetime) -> str:
    """One mail with all the news. It is marked as told when the mail server has taken it."""
    there: dict[tuple[str, str], ActiveAlert] = {(one.kind, one.subject): one for one in found}
    new = [row for row in _open() if row.mailed_at is None and now - row.since >= _grace(row)]
    over = list(
        Alert.objects.filter(until__isnull=False, mailed_at__isnull=False, over_mailed_at__isnull=True)
    )
    if not new and not over:
        return "no news to mail"
    if _mails_since(now - timedelta(hours=1)) >= MAILS_AN_HOUR:
        return f"news waits: {MAILS_AN_HOUR} mails in an hour are enough"
    to = _recipients()
    if not to:
        return "news, and nobody to mail it to"
    parts = [_said(row, there[row.kind, row.subject]) for row in new]
    parts += [_said_over(row) for row in over]
    try:
        EmailMessage(_subject(new, over), "\n\n".join(parts) + "\n", None, to).send()
    except OSError:  # of which SMTP's errors are kinds; the next run tries again
        logger.exception("mail_not_sent")
        return "the mail server did not take the mail"
    Alert.objects.filter(pk__in=[row.pk for row in new]).update(mailed_at=now)
    Alert.objects.filter(pk__in=[row.pk for row in over]).update(over_mailed_at=now)
    return f"mailed to {len(to)} people"


def _grace(row: Alert) -> timedelta:
    return GRACE.get(AlertKind(row.kind), timedelta())


def _mails_since(moment: datetime) -> int:
    """What one mail told has one time."""
    told = set(Alert.objects.filter(mailed_at__gt=moment).values_list("mailed_at", flat=True))
    told |= set(Alert.objects.filter(over_mailed_at__gt=moment).values_list("over_mailed_at", flat=True))
    return len(told)


def _recipients() -> list[str]:
    """PORTAL_ALERT_EMAILS, or else the Owner and the Super Admins who may sign in."""
    if settings.PORTAL_ALERT_EMAILS:
        return list(settings.PORTAL_ALERT_EMAILS)
    people = User.objects.filter(is_active=True, role__in=HIGHEST).order_by("email")
    return list(people.values_list("email", flat=True))


def _subject(new: Sequence[Alert], over: Sequence[Alert]) -> str:
    """Kinds alone: a key's name is somebody else's text."""
    first = (*new, *over)[0]
    more = len(new) + len(over) - 1
    words = AlertKind(first.kind).heading if new else f"Over: {AlertKind(first.kind).heading}"
    return f"[{settings.CERBY_WORKSPACE}] {words}" + (f", and {more} more" if more else "")


def _said(row: Alert, trouble: ActiveAlert) -> str:
    return (
        f"{trouble.heading}, since {row.since:%d %B %Y, %H:%M} UTC.\n{trouble.words}\n"
        f"What to do: {trouble.advice}\n{settings.PORTAL_URL}{trouble.path}"
    )


def _said_over(row: Alert) -> str:
    return f"Over since {row.until:%d %B %Y, %H:%M} UTC: {AlertKind(row.kind).heading}.\n{row.words}"
