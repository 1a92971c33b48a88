"""Write a person's calendar as RFC 5545 says: the expiry, review and overlap of their keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.models import ApiKey, CalendarFeed, Rotation, RotationTask, User
from keys.models.rotation import IS_OPEN
from keys.rules.formatting import to_the_minute
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase
from keys.rules.permissions import ADMINS
from keys.rules.rotation import ROTATED, RotationState
from keys.rules.time_zones import zone_of
from keys.rules.visible import named
from keys.selectors.rotation.tasks import tasks_of_active_keys

MOST = 500
"""Keys per relation, the soonest expiry first."""
_LONGEST_LINE = 75
"""Octets, without the line break (RFC 5545, section 3.1)."""


@sensitive_variables()
def calendar_of(token: str) -> str | None:
    """Return the calendar at the address with this secret part, or None if there is none.

    Only people who may sign in have a calendar.
    """
    hashed = hashlib.sha256(token.encode()).hexdigest()
    feed = CalendarFeed.objects.filter(token_hash=hashed, user__is_active=True).select_related("user").first()
    if feed is None:
        return None
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Cerby Key Portal//Calendar//EN"]
    zone = zone_of([feed.user])
    lines += [f"X-WR-TIMEZONE:{zone}"]
    lines += [f"X-WR-CALNAME:{_escaped(f'API keys of {settings.CERBY_WORKSPACE}')}"]
    keys = _keys_of(feed.user_id)
    with timezone.override(zone):
        for key in keys:
            lines += _events_of(key)
    for rotation in _rotations_of(keys):
        lines += _end_of_overlap(rotation)
    for task in _tasks_of(feed.user):
        lines += _rotation_asked(task)
    lines += ["END:VCALENDAR"]
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _keys_of(user_id: int) -> list[ApiKey]:
    found: dict[object, ApiKey] = {}
    for column in ("owner_id", "accountable_id", "backup_id"):
        rows = ApiKey.objects.filter((column, user_id), phase=Phase.LIVE, expires_at__gt=timezone.now())
        found |= {key.pk: key for key in rows.order_by("expires_at")[:MOST]}
    return sorted(found.values(), key=lambda key: (key.expires_at, key.pk))


def _rotations_of(keys: list[ApiKey]) -> list[Rotation]:
    """Return those whose overlap has a fixed end: it has none until the new key is stored."""
    ids = [key.pk for key in keys]
    under_way = Rotation.objects.filter(IS_OPEN, Q(old__in=ids) | Q(new__in=ids))
    rows = under_way.exclude(state=RotationState.PREPARING).select_related("old")
    return list(rows.order_by("overlap_until", "id")[:MOST])


def _end_of_overlap(rotation: Rotation) -> list[str]:
    url = f"{settings.PORTAL_URL}{reverse('keys:rotation', args=[rotation.pk])}"
    start = f"DTSTART:{rotation.overlap_until.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    words = f"The overlap of {named(rotation.old.name)} and its successor ends"
    return _event(f"overlap-{rotation.pk}", start, words, url)


def _tasks_of(user: User) -> list[RotationTask]:
    """Return the rotations that the person is asked for, the soonest first. All admins have those for any."""
    people = Q(assigned=user) | Q(assigned=None) if user.role in ADMINS else Q(assigned=user)
    return list(tasks_of_active_keys().filter(people).select_related("key")[:MOST])


def _rotation_asked(task: RotationTask) -> list[str]:
    start = f"DTSTART;VALUE=DATE:{task.due_on:%Y%m%d}"
    return _event(f"rotate-{task.pk}", start, f"Rotate {named(task.key.name)}", _rotate(task.key))


def _rotate(key: ApiKey) -> str:
    return f"{settings.PORTAL_URL}{reverse('keys:rotate', args=[key.pk])}"


def _events_of(key: ApiKey) -> Iterator[str]:
    url = f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
    more = f"Rotate it: {_rotate(key)}" if key.state in ROTATED else ""
    if key.expires_at < EXPIRY_NOT_KNOWN:
        at = key.expires_at.astimezone(UTC)
        start = f"DTSTART:{at:%Y%m%dT%H%M%SZ}"
        said = " ".join(filter(None, (f"{to_the_minute(key.expires_at)}.", more)))
        yield from _event(f"expires-{key.pk}", start, f"{named(key.name)} expires", url, said)
    if key.review_on is not None:
        start = f"DTSTART;VALUE=DATE:{key.review_on:%Y%m%d}"
        yield from _event(f"review-{key.pk}", start, f"{named(key.name)} is to be reviewed", url, more)


def _event(uid: str, start: str, summary: str, url: str, more: str = "") -> list[str]:
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    return [
        "BEGIN:VEVENT",
        f"UID:{uid}@{host}",
        f"DTSTAMP:{timezone.now():%Y%m%dT%H%M%SZ}",
        start,
        f"SUMMARY:{_escaped(summary)}",
        *([f"DESCRIPTION:{_escaped(more)}"] if more else []),
        f"URL:{url}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def _escaped(text: str) -> str:
    for mark in ("\\", ";", ","):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _folded(line: str) -> Iterator[str]:
    """Yield the line in parts of at most 75 octets; a part never ends within a character."""
    part, octets = "", 0
    for char in line:
        size = len(char.encode())
        if octets + size > _LONGEST_LINE:
            yield part
            part, octets = " ", 1
        part, octets = part + char, octets + size
    yield part


def calendar_made_at(user_id: int) -> datetime | None:
    """Return when the person made the address of their calendar, or None."""
    return CalendarFeed.objects.filter(user_id=user_id).values_list("made_at", flat=True).first()
