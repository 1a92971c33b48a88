"""Remind the admins to compare the inventory with Cerby's web app."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys.actions.compare.end_task import NAME, end_comparison_task
from keys.actions.notifications.notify import notify
from keys.models import Comparison, User
from keys.rules.notifications import Kind
from keys.rules.permissions import ADMINS
from keys.selectors.compare.completeness import completeness
from keys.selectors.counts import count_label


def remind_admins_to_compare() -> str:
    """Tell every admin once per period while active keys wait for a confirmation. Return a summary."""
    days, now = settings.PORTAL_COMPARE_EVERY_DAYS, timezone.now()
    found = completeness(now) if days else None
    if found is None or not found.due:
        with transaction.atomic():
            end_comparison_task()
        return "no comparison is due" if days else "no reminder to compare is set"
    with transaction.atomic():
        if not _is_due(now, days):
            return "admins were reminded to compare"
        end_comparison_task()  # a new one replaces it
        admins = list(User.objects.filter(is_active=True, role__in=ADMINS).order_by("pk"))
        notify(
            Kind.COMPARISON_DUE,
            words=found.sentence(now),
            text=f"{count_label(found.due)} of them have waited for {days} days or longer. Copy the table of "
            "API keys from Cerby's web app and paste it on this page.",
            path=reverse("keys:compare"),
            to=admins,
            once=NAME,
        )
    return f"admins reminded to compare: {len(admins)}"


def _is_due(now: datetime, days: int) -> bool:
    """Claim the reminder with one conditional UPDATE, so that only one worker sends it."""
    Comparison.objects.bulk_create([Comparison()], ignore_conflicts=True)
    moment = timezone.now()
    long_ago = Q(reminded_at=None) | Q(reminded_at__lte=moment - timedelta(days=days))
    long_ago |= Q(reminded_at__gt=moment + timedelta(days=1))  # not the portal's
    return Comparison.objects.filter(long_ago, pk=Comparison.ONLY).update(reminded_at=now) == 1
