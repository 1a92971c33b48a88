"""Remind owners of their keys, at most once a day: what expires soon, what was viewed and never stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from keys.models import ApiKey, Reminder, User
from keys.rules.lifecycle import UNCONFIRMED_AFTER, Phase, State

DAYS_BEFORE = (1, 7, 30)
UNSTORED = "unstored"
UNSTORED_AFTER = timedelta(hours=24)
ONCE_IN = timedelta(hours=20)
"""Less than a day, so that an hourly run that comes a little early does not skip one."""
AT_ONCE = 500
"""Keys of each kind in one run; the next run goes on."""

Due = tuple[ApiKey, str]
logger = structlog.get_logger(__name__)


def remind_owners() -> str:
    """Mail every owner who may sign in what has become due. Returns a summary."""
    now = timezone.now()
    due: defaultdict[User, list[Due]] = defaultdict(list)
    for key, kind in _due(now):
        due[key.owner].append((key, kind))
    lately = set(Reminder.objects.filter(sent_at__gt=now - ONCE_IN).values_list("key__owner_id", flat=True))
    mails = 0
    for owner, keys in due.items():
        if owner.pk not in lately:
            if not _mail(owner, keys, now):
                return f"Owners reminded: {mails}; then the mail server did not take the mail"
            mails += 1
    return f"Owners reminded: {mails}"


def _due(now: datetime) -> Iterator[Due]:
    for number, days in enumerate(DAYS_BEFORE):
        told = [str(fewer) for fewer in DAYS_BEFORE[: number + 1]]
        ahead = timedelta(days=days)
        keys = _not_told(told).filter(
            phase=Phase.LIVE,
            expires_at__gt=now,
            expires_at__lte=now + ahead,
            created_at__lt=F("expires_at") - ahead,  # a key for five days is not news when it is made
        )
        later = DAYS_BEFORE[number - 1] if number else 0
        for key in keys.filter(expires_at__gt=now + timedelta(days=later)).order_by("expires_at")[:AT_ONCE]:
            yield key, str(days)
    unstored = _not_told([UNSTORED]).filter(
        state=State.CLAIMED, due_at__lte=now + UNCONFIRMED_AFTER - UNSTORED_AFTER
    )
    for key in unstored.order_by("due_at")[:AT_ONCE]:
        yield key, UNSTORED


def _not_told(kinds: Sequence[str]) -> QuerySet[ApiKey]:
    told = Reminder.objects.filter(key=OuterRef("pk"), kind__in=kinds)
    return ApiKey.objects.filter(~Exists(told), owner__is_active=True).select_related("owner")


def _mail(owner: User, due: Sequence[Due], now: datetime) -> bool:
    """Whether the mail server took it; what it took is not told again."""
    text = f"Hello {owner.name},\n\n" + "\n\n".join(_said(key, kind) for key, kind in due) + "\n"
    count = f"{len(due)} API keys need" if len(due) > 1 else "An API key needs"
    subject = f"[{settings.CERBY_WORKSPACE}] {count} your attention"
    try:
        EmailMessage(subject, text, None, [owner.email]).send()
    except OSError:
        logger.exception("mail_not_sent")
        return False
    rows = [Reminder(key=key, kind=kind, sent_at=now) for key, kind in due]
    Reminder.objects.bulk_create(rows, ignore_conflicts=True)
    return True


def _said(key: ApiKey, kind: str) -> str:
    url = f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
    if kind == UNSTORED:
        url = f"{settings.PORTAL_URL}{reverse('keys:store', args=[key.pk])}"
        said = (
            f"“{key.name}” was viewed, and nobody has confirmed that it is stored. If you have stored it, "
            f"say so; if not, delete it. Unless it is used, it is removed on "
            f"{key.due_at:%d %B %Y, %H:%M} UTC."
        )
    else:
        said = (
            f"“{key.name}” expires on {key.expires_at:%d %B %Y, %H:%M} UTC. What uses it stops working then: "
            "generate a new key, put it in its place, and delete this one."
        )
    return f"{said}\n{url}"
