"""Mail the people of a key that somebody else, the portal or Cerby has deleted."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.jobs.reminders import BATCH, DELETED, forget_forged, mail_people, note_sent
from keys.models import ApiKey, AuditEvent, Reminder
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.notifications import Kind
from keys.selectors.key.people_of_keys import COLUMNS, People, addresses, by_people, salutation, why_you

TOLD_WITHIN = timedelta(days=2)
"""How long a mail server may be down. Older deletions are not told, such as those before an upgrade."""
_BY_A_PERSON = (Event.KEY_DELETION_STARTED, Event.KEY_DELETED, Event.KEY_REMOVAL_DECLARED)


def tell_of_deletions() -> str:
    """Mail the other people of each key that was deleted lately. Return a summary."""
    now = timezone.now()
    forget_forged(Q(kind=DELETED, key__removed_at__range=(now - TOLD_WITHIN, now)))
    told = Reminder.objects.filter(key=OuterRef("pk"), kind=DELETED)
    lately = ApiKey.objects.filter(removed_at__gt=now - TOLD_WITHIN, removed_at__lte=now, state=State.REVOKED)
    keys = lately.filter(~Exists(told)).select_related(*COLUMNS).order_by("removed_at")[:BATCH]
    mails = 0
    for people, deleted in by_people((key, (key, _deletion(key))) for key in keys).items():
        others = [(key, event) for key, event in deleted if _is_news(people, event)]
        with transaction.atomic():
            note_sent([(key, DELETED) for key, _ in deleted], now)
            if others and (people or addresses(people)):
                _write(people, others)
                mails += 1
    return f"deletions told: {mails}"


def _deletion(key: ApiKey) -> AuditEvent | None:
    """Return the event of the person or timer that deleted ``key``, or None if it was deleted in Cerby.

    If the portal carried out what a person had started, that is the start.
    """
    events = AuditEvent.objects.filter(key_id=key.pk, type__in=_BY_A_PERSON, outcome="done")
    newest_first = events.order_by("-at", "-id")
    newest = newest_first.first()
    if newest is None or newest.actor_id:
        return newest
    return newest_first.filter(type=Event.KEY_DELETION_STARTED).first() or newest


def _is_news(people: People, event: AuditEvent | None) -> bool:
    """Return whether anybody but the person who deleted the key has to do with it."""
    deleter = event.actor_id if event else None
    return not people or any(person.pk != deleter for person in people)


def _write(people: People, deleted: list[tuple[ApiKey, AuditEvent | None]]) -> None:
    parts = [salutation(people), *(_describe(key, event) for key, event in deleted), why_you(people)]
    count = f"{len(deleted)} API keys were" if len(deleted) > 1 else "An API key was"
    subject = f"[{settings.CERBY_WORKSPACE}] {count} deleted"
    mail_people(people, [Kind.KEY_DELETED], subject, "\n\n".join(filter(None, parts)) + "\n")
    for key, event in deleted:
        words = f"The API key “{key}” was deleted {_by_whom(event)}."
        path = reverse("keys:key", args=[key.pk])
        notify(Kind.KEY_DELETED, words=words, path=path, to=people, key=key, mail=False)


def _describe(key: ApiKey, event: AuditEvent | None) -> str:
    assert key.removed_at is not None
    url = f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
    at = f"{key.removed_at:%d %B %Y, %H:%M} UTC"
    return (
        f"Your key “{key}” was deleted {_by_whom(event)} on {at}. Software that used it has stopped working."
        f"\n{url}"
    )


def _by_whom(event: AuditEvent | None) -> str:
    if event is None:
        return "in Cerby, outside the portal"
    return f"by {event.actor_name} ({event.actor_email})" if event.actor_id else "by the portal itself"
