"""Mail the people of a key, at most once a day, if it expires soon or is not confirmed as stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import mail_people, notify
from keys.actions.rotation_tasks.ask import REMINDED as TO_ROTATE
from keys.audit.results import is_changed_reminder, seal_of_reminder
from keys.models import ApiKey, Reminder, RotationTask
from keys.rules.batches import batches
from keys.rules.formatting import spoken_day, to_the_minute
from keys.rules.lifecycle import UNCONFIRMED_AFTER, Phase, State
from keys.rules.notifications import Kind
from keys.rules.time_zones import zone_of
from keys.selectors.key.people_of_keys import COLUMNS, People, addresses, by_people, salutation, why_you
from keys.selectors.rotation.tasks import tasks_of_active_keys

DAYS_BEFORE = (1, 7, 14, 30)
UNSTORED = "unstored"
DELETED = "deleted"
"""The kind of a notice of keys.jobs.deletions, which the limit of one mail a day does not count."""
UNSTORED_AFTER = timedelta(hours=24)
MINIMUM_GAP = timedelta(hours=20)
"""Less than a day: an hourly run that starts slightly early must not skip a day."""
BATCH = 500
"""The number of keys of each kind in one run. The next run continues."""

_KINDS = {UNSTORED: Kind.KEY_UNSTORED, TO_ROTATE: Kind.ROTATION_ASKED}
Due = tuple[ApiKey, str]

logger = structlog.get_logger(__name__)


def remind_owners() -> str:
    """Mail the owner, the accountable person and the backup of each due key together. Return a summary.

    Nobody needs an account in the portal for that. If all of them have left, an admin gets the mail.
    """
    now = timezone.now()
    forget_forged(
        Q(key__phase=Phase.LIVE, key__expires_at__range=(now, now + timedelta(days=DAYS_BEFORE[-1])))
        | Q(key__state=State.CLAIMED)
        | Q(kind=TO_ROTATE, key__rotation_task__isnull=False)
        | Q(sent_at__gt=now - MINIMUM_GAP)
    )
    recent = Reminder.objects.filter(sent_at__gt=now - MINIMUM_GAP).exclude(kind=DELETED)
    reminded = by_people(
        (row.key, row) for row in recent.select_related(*(f"key__{name}" for name in COLUMNS))
    )
    mails = 0
    for people, due in by_people((key, (key, kind)) for key, kind in _due(now)).items():
        if people not in reminded and (people or addresses(people)):
            _write(people, due, now)
            mails += 1
    return f"Mails written: {mails}"


def _due(now: datetime) -> Iterator[Due]:
    for number, days in enumerate(DAYS_BEFORE):
        kinds = [str(fewer) for fewer in DAYS_BEFORE[: number + 1]]
        ahead = timedelta(days=days)
        keys = _without_reminder(kinds).filter(
            phase=Phase.LIVE,
            expires_at__gt=now,
            expires_at__lte=now + ahead,
            created_at__lt=F("expires_at") - ahead,  # no reminder at the creation of a short-lived key
        )
        later = DAYS_BEFORE[number - 1] if number else 0
        for key in keys.filter(expires_at__gt=now + timedelta(days=later)).order_by("expires_at")[:BATCH]:
            yield key, str(days)
    unstored = _without_reminder([UNSTORED]).filter(
        state=State.CLAIMED, due_at__lte=now + UNCONFIRMED_AFTER - UNSTORED_AFTER
    )
    for key in unstored.order_by("due_at")[:BATCH]:
        yield key, UNSTORED
    reminded = Reminder.objects.filter(key=OuterRef("key"), kind=TO_ROTATE)
    due = tasks_of_active_keys().filter(~Exists(reminded), due_on__lte=timezone.localdate(now))
    for task in due.select_related(*(f"key__{name}" for name in COLUMNS))[:BATCH]:
        yield task.key, TO_ROTATE


def _without_reminder(kinds: Sequence[str]) -> QuerySet[ApiKey]:
    sent = Reminder.objects.filter(key=OuterRef("pk"), kind__in=kinds)
    return ApiKey.objects.filter(~Exists(sent)).select_related(*COLUMNS)


def _write(people: People, due: Sequence[Due], now: datetime) -> None:
    """Write the mail and the tasks to the outbox, and record the reminders, all or nothing."""
    with timezone.override(zone_of(people)):
        _write_in_their_zone(people, due, now)


def _write_in_their_zone(people: People, due: Sequence[Due], now: datetime) -> None:
    parts = [salutation(people), *(_describe(key, kind) for key, kind in due), why_you(people)]
    text = "\n\n".join(filter(None, parts)) + "\n"
    count = f"{len(due)} API keys need" if len(due) > 1 else "An API key needs"
    subject = f"[{settings.CERBY_WORKSPACE}] {count} your attention"
    with transaction.atomic():
        note_sent(due, now)
        for key, kind in due:
            if kind == TO_ROTATE:
                continue  # the task waits in the inbox already
            unstored = kind == UNSTORED
            notify(
                Kind.KEY_UNSTORED if unstored else Kind.KEY_EXPIRES,
                words=_in_one_sentence(key, kind),
                path=reverse("keys:store" if unstored else "keys:key", args=[key.pk]),
                to=people,
                key=key,
                mail=False,
            )
        kinds = {_KINDS.get(kind, Kind.KEY_EXPIRES) for _, kind in due}
        mail_people(people, kinds, subject, text)


def _in_one_sentence(key: ApiKey, kind: str) -> str:
    if kind == UNSTORED:
        return f"Nobody has confirmed that “{key}” is stored."
    return f"“{key}” expires on {to_the_minute(key.expires_at)}."


def note_sent(due: Iterable[Due], now: datetime) -> None:
    """Record that these reminders were sent, so that none is sent twice."""
    rows = [Reminder(key=key, kind=kind, sent_at=now) for key, kind in due]
    for row in rows:
        row.seal = seal_of_reminder(row)
    Reminder.objects.bulk_create(rows, ignore_conflicts=True)


def forget_forged(which: Q) -> None:
    """Delete the rows out of ``which`` that the portal did not write. Each would keep it from mailing."""
    rows = Reminder.objects.filter(which).iterator()
    forged = [row.pk for row in rows if is_changed_reminder(row)]
    if forged:
        logger.error("reminder_changed", count=len(forged))
    for batch in batches(forged, BATCH):
        Reminder.objects.filter(pk__in=batch).delete()


def _describe(key: ApiKey, kind: str) -> str:
    url = f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
    if kind == TO_ROTATE:
        day = RotationTask.objects.get(key=key).due_on
        text = f"“{key}” is to be rotated by {spoken_day(day)}. Start the rotation:"
        url = f"{settings.PORTAL_URL}{reverse('keys:rotate', args=[key.pk])}"
    elif kind == UNSTORED:
        url = f"{settings.PORTAL_URL}{reverse('keys:store', args=[key.pk])}"
        seen = "pasted" if key.origin == ApiKey.Origin.PASTED else "viewed"
        text = (
            f"“{key}” was {seen}, but nobody has confirmed that it is stored. If you have stored it, "
            "confirm that; if not, delete it."
        )
        if key.due_at is not None and not key.is_deleted_by_hand:
            text += f" If it is not used, it will be removed on {to_the_minute(key.due_at)}."
    else:
        entered = ", as entered in the portal" if key.is_deleted_by_hand else ""
        text = (
            f"“{key}” expires on {to_the_minute(key.expires_at)}{entered}. Software that uses it "
            "then stops working. Rotate the key: a new one replaces it, and both work for a while."
        )
        url = f"{url}\n{settings.PORTAL_URL}{reverse('keys:rotate', args=[key.pk])}"
    return f"{text}\n{url}"
