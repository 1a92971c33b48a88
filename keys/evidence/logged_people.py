"""Find the values that the audit log gives for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from keys.crypto.password_hash import digest_of_hash
from keys.models import AuditEvent, LoggedEmail, User
from keys.rules.events import Event
from keys.tlog.leaf import ERASED, readable

PEOPLE_EVENTS = (Event.PERSON_ADDED, Event.PERSON_REMOVED, Event.PERSON_CHANGED)
MOST_EVENTS = 200
"""More than one person has. The newest decide."""


def facts_after(kind: str, details: dict[str, Any]) -> dict[str, str]:
    """Return the facts that an event records, with personal values in clear."""
    if kind == Event.PERSON_ADDED:  # only people who are live in Cerby are added
        return {"role": details["role"], "in the workspace": "yes"}
    after: dict[str, str] = details["after"]
    return after


def logged_person(person_id: int, emails: Iterable[str]) -> dict[str, str]:
    """Return the newest value of each fact about a person that the events record, such as "role".

    ``emails``: the person's present address, or the possible ones, the likeliest first. Events name people
    by the address of their time, so an event about a new address leads to the former one. Uses an index.
    """
    for email in emails:
        facts = _facts(person_id, email)
        if facts:
            return facts
    return {}


def former_values(user: User) -> set[str]:
    """Return former names and emails of a person, from the events about their present email."""
    found: set[str] = set()
    for _, _, details in _newest(user.email, None):
        if details.get("person") == str(user.pk):
            before = details.get("before", {})
            found |= {before[name] for name in ("full name", "email") if name in before}
    return found - {ERASED}


def has_other_password(user: User) -> bool:
    """Return whether the stored hash of the password differs from the one in the newest event about it.

    Older events have no digest, so the hash is not compared until the next change of the password.
    """
    stored = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
    events = password_events().filter(actor_email=user.email, actor_id=user.pk).order_by("-at", "-id")
    newest = events.values_list("details", flat=True).first()
    digest = (newest or {}).get("password_digest")
    return stored is not None and digest is not None and digest != digest_of_hash(stored)


def password_events() -> QuerySet[AuditEvent]:
    """Return the events after which a row has another hash of a password."""
    return AuditEvent.objects.filter(
        Q(type__in=[Event.PASSWORD_CHANGED, Event.PASSWORD_RESET])
        | Q(type=Event.SIGNED_IN, details__has_key="password_digest"),
        outcome=AuditEvent.Outcome.DONE,
    )


def _facts(person_id: int, email: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    before_id: int | None = None
    while email:
        earlier = ""
        for event_id, kind, details in _newest(email, before_id):
            if details.get("person", str(person_id)) != str(person_id):
                continue  # the address belonged to another person
            for name, value in facts_after(kind, details).items():
                if value != ERASED:
                    facts.setdefault(name, value)
            former = details.get("before", {}).get("email", "")
            if former and former != ERASED:
                earlier, before_id = former, event_id
                break  # older events with this address are about another person
        email = earlier
    return facts


def _newest(email: str, before_id: int | None) -> list[tuple[int, str, dict[str, Any]]]:
    rows = AuditEvent.objects.filter(type__in=PEOPLE_EVENTS, outcome="done")
    rows = rows.alias(about=LoggedEmail()).filter(about=email)
    if before_id is not None:
        rows = rows.filter(id__lt=before_id)
    columns = ("id", "type", "details", "personal")
    newest = rows.order_by("-id").values_list(*columns)[:MOST_EVENTS]
    return [(event_id, kind, readable(details, personal)) for event_id, kind, details, personal in newest]
