"""Record which alerts begin and end, and tell each beginning and end once, within an hourly limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify, queue_mail, tell_channels
from keys.actions.notifications.settle import settle
from keys.audit.results import is_changed_alert, name_of_alert, seal_of_alert
from keys.models import Alert, Delivery, Notification
from keys.rules.formatting import to_the_minute
from keys.rules.notifications import Kind
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from keys.selectors.people import recipients

logger = structlog.get_logger(__name__)

MAILS_AN_HOUR = 6
KEPT_FOR = timedelta(days=90)
CLOCKS_DIFFER_BY = timedelta(minutes=5)
GRACE = {
    AlertKind.CERBY_AWAY: timedelta(minutes=30),
    AlertKind.JOB_LATE: timedelta(minutes=5),
    AlertKind.AUDIT_LOG: timedelta(minutes=5),
    AlertKind.ANCHOR_FAILS: timedelta(minutes=30),
    AlertKind.SIEM_FAILS: timedelta(minutes=30),
    AlertKind.MAIL_FAILS: timedelta(minutes=30),
}
"""Alerts that may resolve on their own are told only if they last this long."""


def keep_alerts() -> str:
    """Update the recorded alerts and tell the changes, all or nothing. Return a summary."""
    now = timezone.now()
    found = active_alerts(now, audit_health())
    with transaction.atomic():
        _open_and_close(found, now)
        Alert.objects.filter(until__lt=now - KEPT_FOR).delete()
        told = _tell(found, now)
    return f"Alerts: {len(found)}; {told}"


def _open_and_close(found: Sequence[ActiveAlert], now: datetime) -> None:
    rows = [Alert(kind=one.kind, subject=one.subject, words=one.words[:700], since=now) for one in found]
    for row in rows:
        row.seal = seal_of_alert(row)
    Alert.objects.bulk_create(rows, ignore_conflicts=True)
    current = {(one.kind, one.subject) for one in found}
    over = [row for row in _open() if (row.kind, row.subject) not in current]
    _store(over, until=now)
    for row in over:
        settle(Kind.ALERT_BEGAN, once=name_of_alert(row))


def _store(rows: Sequence[Alert], **columns: datetime) -> None:
    """Change the columns of ``rows`` and protect the result, unless somebody else has changed the row."""
    [name] = columns
    for row in rows:
        is_changed = name != "mailed_at" and is_changed_alert(row)
        setattr(row, name, columns[name])
        row.seal = "" if is_changed else seal_of_alert(row)
    Alert.objects.bulk_update(rows, [name, "seal"])


def _open() -> list[Alert]:
    """Lock the open alerts, so that of two workers one tells them."""
    return list(Alert.objects.select_for_update().filter(until__isnull=True).order_by("since", "pk"))


def _tell(found: Sequence[ActiveAlert], now: datetime) -> str:
    """Write all changes to the outbox: one mail, and one notification for each."""
    current: dict[tuple[str, str], ActiveAlert] = {(one.kind, one.subject): one for one in found}
    _replace_reminders(found, now)
    rows = _open()
    lost = _lost(rows, now)
    new = [row for row in rows if row.pk in lost or _is_to_mail(row, now)]
    over = Alert.objects.select_for_update().filter(
        until__isnull=False, mailed_at__isnull=False, over_mailed_at__isnull=True
    )
    ended = [row for row in over if not is_changed_alert(row)]
    if not new and not ended:
        return "nothing new to tell"
    if _mails_since(now - timedelta(hours=1)) >= MAILS_AN_HOUR:
        return f"the next mail waits: {MAILS_AN_HOUR} were sent in the last hour"
    to = recipients()
    if not to:
        return "there is nobody to tell"
    parts = [_describe_new(row, current[row.kind, row.subject]) for row in new]
    parts += [_describe_ended(row) for row in ended]
    for row in new:
        _notify_of(row, current[row.kind, row.subject])
    first = Notification.objects.filter(once=name_of_alert(new[0])).first() if new else None
    queue_mail(to, _subject(new, ended), "\n\n".join(parts) + "\n", first)
    for row in ended:
        words = f"Resolved: {AlertKind(row.kind).heading}. {row.words}"
        tell_channels(Kind.ALERT_ENDED, words=words, path=reverse("keys:health"))
    _store(new, mailed_at=now)
    _store(ended, over_mailed_at=now)
    return f"told to {len(to)} people"


def _lost(rows: Sequence[Alert], now: datetime) -> set[int]:
    """Return the ids of alerts that were told, and whose notification or mail somebody has deleted.

    One mail has all alerts that were told at the same time.
    """
    told = [row for row in rows if row.mailed_at and now - KEPT_FOR < row.mailed_at <= now]
    names = {name_of_alert(row): row for row in told}
    kept = dict(Notification.objects.filter(once__in=names).values_list("once", "pk"))
    mails = Delivery.objects.filter(channel=None, notification__in=kept.values())
    mailed = set(mails.values_list("notification_id", flat=True))
    with_mail = {row.mailed_at for name, row in names.items() if kept.get(name) in mailed}
    lost = {row.pk for name, row in names.items() if name not in kept or row.mailed_at not in with_mail}
    if lost:
        logger.error("alert_deleted", count=len(lost))
    return lost


def _notify_of(row: Alert, alert: ActiveAlert) -> None:
    """Put an alert into the inboxes of the Owner and the Super Admins, and send it to the channels."""
    notify(
        Kind.ALERT_BEGAN,
        words=f"{alert.heading}. {alert.words}",
        text=f"What to do: {alert.advice}",
        path=alert.path,
        once=name_of_alert(row),
        mail=False,
    )


def _replace_reminders(found: Sequence[ActiveAlert], now: datetime) -> None:
    """Mail no end of a reminder that a later one of the same kind replaces."""
    kind = AlertKind.CREDENTIAL_EXPIRES
    if any(one.kind == kind for one in found):
        rows = Alert.objects.filter(kind=kind, until__isnull=False, over_mailed_at__isnull=True)
        _store(list(rows), over_mailed_at=now)


def _is_to_mail(row: Alert, now: datetime) -> bool:
    """Return whether the alert lasts long enough and was not mailed.

    A row that somebody inserted or changed says nothing, and future times are not the portal's.
    """
    if is_changed_alert(row):
        logger.error("alert_changed", kind=row.kind)
        return True
    is_mailed = row.mailed_at is not None and row.mailed_at <= now + CLOCKS_DIFFER_BY
    return not is_mailed and (now - row.since >= _grace(row) or row.since > now + CLOCKS_DIFFER_BY)


def _grace(row: Alert) -> timedelta:
    return GRACE.get(AlertKind(row.kind), timedelta())


def _mails_since(moment: datetime) -> int:
    """Return the number of mails since ``moment``: all alerts in one mail have the same time."""
    period = (moment, timezone.now() + CLOCKS_DIFFER_BY)
    rows = Alert.objects.filter(Q(mailed_at__range=period) | Q(over_mailed_at__range=period))
    mailed = [row for row in rows if not is_changed_alert(row)]
    times = {at for row in mailed for at in (row.mailed_at, row.over_mailed_at) if at}
    return sum(moment <= at <= period[1] for at in times)


def _subject(new: Sequence[Alert], ended: Sequence[Alert]) -> str:
    """Return the subject. It contains only the kinds of alerts, because key names are user input."""
    first = (*new, *ended)[0]
    more = len(new) + len(ended) - 1
    words = AlertKind(first.kind).heading if new else f"Resolved: {AlertKind(first.kind).heading}"
    return f"[{settings.CERBY_WORKSPACE}] {words}" + (f", and {more} more" if more else "")


def _describe_new(row: Alert, alert: ActiveAlert) -> str:
    return (
        f"{alert.heading}, since {to_the_minute(row.since)}.\n{alert.words}\n"
        f"What to do: {alert.advice}\n{settings.PORTAL_URL}{alert.path}"
        + (f"\nThe steps: {settings.PORTAL_URL}{alert.help}" if alert.help else "")
    )


def _describe_ended(row: Alert) -> str:
    assert row.until is not None
    return f"Resolved on {to_the_minute(row.until)}: {AlertKind(row.kind).heading}.\n{row.words}"
