"""Return every address that a person has had, as the audit log tells."""

from __future__ import annotations

from keys.models import AuditEvent, LoggedEmail, User
from keys.rules.events import Event
from keys.tlog.leaf import ERASED, readable

MOST = 20


def addresses_of(email: str) -> list[str]:
    """Return ``email`` and the other addresses of the person who has or had it, at most 20."""
    email = email.lower()
    person = User.objects.filter(email=email).first() or _who_acted_as(email)
    found = [email]
    address = person.email if person else ""
    while address and len(found) < MOST:
        if address not in found:
            found.append(address)
        address = _former(person.pk, address, found) if person else ""
    return found


def _who_acted_as(email: str) -> User | None:
    events = AuditEvent.objects.filter(actor_email=email, actor_id__isnull=False).order_by("-at", "-id")
    actor_id = events.values_list("actor_id", flat=True).first()
    return User.objects.filter(pk=actor_id).first() if actor_id else None


def _former(person_id: int, email: str, known: list[str]) -> str:
    """Return the address that the person had before ``email``, if the log tells."""
    changes = (
        AuditEvent.objects.filter(type=Event.PERSON_CHANGED).alias(about=LoggedEmail()).filter(about=email)
    )
    for details, personal in changes.order_by("-id").values_list("details", "personal")[:MOST]:
        said = readable(details, personal)
        former = str(said.get("before", {}).get("email", ""))
        of_this_person = said.get("person", str(person_id)) == str(person_id)
        if of_this_person and former not in {"", ERASED, email}:
            return former if former not in known[1:] else ""
    return ""
