"""Remind the admins by mail to compare the inventory with Cerby's web app."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys.jobs.mails import mail_notice
from keys.models import Comparison, User
from keys.rules.permissions import ADMINS
from keys.selectors.compare.completeness import completeness
from keys.selectors.counts import count_label


def remind_admins_to_compare() -> str:
    """Mail every admin once per period while active keys wait for a confirmation. Return a summary."""
    days, now = settings.PORTAL_COMPARE_EVERY_DAYS, timezone.now()
    if not days:
        return "no reminder to compare is set"
    found = completeness(now)
    if not found.due:
        return "no comparison is due"
    subject = f"[{settings.CERBY_WORKSPACE}] Compare the API keys with Cerby's web app"
    text = (
        f"{found.sentence(now)}\n\n{count_label(found.due)} of them have waited for {days} days or longer. "
        "Copy the table of API keys from Cerby's web app and paste it here:\n"
        f"{settings.PORTAL_URL}{reverse('keys:compare')}\n"
    )
    with transaction.atomic():
        if not _is_due(now, days):
            return "admins were reminded to compare"
        admins = User.objects.filter(is_active=True, role__in=ADMINS).order_by("pk")
        for admin in admins:
            mail_notice.enqueue(admin.pk, subject, text)
    return f"admins reminded to compare: {len(admins)}"


def _is_due(now: object, days: int) -> bool:
    """Claim the reminder with one conditional UPDATE, so that only one worker sends it."""
    Comparison.objects.bulk_create([Comparison()], ignore_conflicts=True)
    moment = timezone.now()
    long_ago = Q(reminded_at=None) | Q(reminded_at__lte=moment - timedelta(days=days))
    long_ago |= Q(reminded_at__gt=moment + timedelta(days=1))  # not the portal's
    return Comparison.objects.filter(long_ago, pk=Comparison.ONLY).update(reminded_at=now) == 1
