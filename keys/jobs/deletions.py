"""Mail the people of a key that somebody else, the portal or Cerby has deleted."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import mail_people, notify, queue_mail
from keys.jobs.reminders import BATCH, DELETED, forget_forged, note_sent
from keys.models import ApiKey, AuditEvent, Reminder, User
from keys.rules.events import Event
from keys.rules.formatting import to_the_minute
from keys.rules.lifecycle import State
from keys.rules.notifications import Kind
from keys.rules.permissions import HIGHEST
from keys.rules.time_zones import zone_of
from keys.selectors.key.people_of_keys import COLUMNS, People, addresses, by_people, salutation, why_you

TOLD_WITHIN = timedelta(days=2)
"""How long a mail server may be down. Older deletions are not told, such as those before an upgrade."""
Deletion = tuple[ApiKey, AuditEvent | None]
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
        with transaction.atomic():
            note_sent([(key, DELETED) for key, _ in deleted], now)
            for readers, news in _news(people, deleted).items():
                with timezone.override(zone_of(readers if people else ())):
                    mails += _write(people, readers, news)
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


def _news(people: People, deleted: list[Deletion]) -> dict[People, list[Deletion]]:
    """Return what to tell whom. People are not told about deletions that they made.

    If nobody is left who has to do with a key, the Owner and the Super Admins are told.
    """
    readers = people or tuple(User.objects.filter(is_active=True, role__in=HIGHEST).order_by("pk"))
    found = defaultdict[People, list[Deletion]](list)
    for key, event in deleted:
        deleter = event.actor_id if event else None
        found[tuple(one for one in readers if one.pk != deleter)].append((key, event))
    return found


def _write(people: People, told: People, deleted: list[Deletion]) -> bool:
    """Tell ``told``, and mail those who get alerts if the keys have no people.

    Return whether anybody was told.
    """
    named = told if people else ()
    parts = [salutation(named), *(_describe(key, event) for key, event in deleted), why_you(named)]
    count = f"{len(deleted)} API keys were" if len(deleted) > 1 else "An API key was"
    subject = f"[{settings.CERBY_WORKSPACE}] {count} deleted"
    text = "\n\n".join(filter(None, parts)) + "\n"
    deleters = {event.actor_email for _, event in deleted if event}
    others = [address for address in addresses(()) if address not in deleters]
    if people and told:
        mail_people(told, [Kind.KEY_DELETED], subject, text)
    elif not people and others:
        queue_mail(others, subject, text)
    for key, event in deleted if told else ():
        words = f"The API key “{key}” was deleted {_by_whom(event)}."
        path = reverse("keys:key", args=[key.pk])
        notify(Kind.KEY_DELETED, words=words, path=path, to=told, key=key, mail=False)
    return bool(told or (others and not people))


def _describe(key: ApiKey, event: AuditEvent | None) -> str:
    assert key.removed_at is not None
    url = f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
    at = to_the_minute(key.removed_at)
    return (
        f"Your key “{key}” was deleted {_by_whom(event)} on {at}. Software that used it has stopped working."
        f"\n{url}"
    )


def _by_whom(event: AuditEvent | None) -> str:
    if event is None:
        return "in Cerby, outside the portal"
    return f"by {event.actor_name} ({event.actor_email})" if event.actor_id else "by the portal itself"
