"""Erase what the portal knows of a person who has left: from their row, their keys and the record.

The record goes on saying what happened, when, to which key, and by whom as a number: names, addresses and
browsers go, and so do the salts without which nobody can guess them from the hashes in the leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.batches import batches
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.policy import Action, Actor

ERASED = "Erased person"
CHUNK = 500


def erase_person(actor: Actor | None, email: str) -> int:
    """Erase the person with the address ``email``. Returns how many events were blanked.

    ``actor`` is None for an operator's act, from the command line. An event that mentions the person loses
    the personal values of everybody in it, since they share its salt. Raises ``NotAllowed``, ``NotFound``,
    and ``Conflict`` while the person may sign in or a key still acts as them.
    """
    if actor is not None:
        authorize(actor, Action.ERASE_PERSON)
    person = User.objects.filter(email=email.lower()).first()
    if person is None:
        raise NotFound(f"The portal knows nobody with the e-mail {email}.")
    _refuse_while_here(person)
    addresses = _addresses(person)
    with transaction.atomic():
        mentioned = set(_mentioning(addresses))
        mentioned |= set(_readable().filter(actor_id=person.pk).values_list("pk", flat=True))
        _blank(sorted(mentioned))
        _forget(person)
        log.append(Event.PERSON_ERASED, actor=actor, person=str(person.pk), events=len(mentioned))
    return len(mentioned)


def _refuse_while_here(person: User) -> None:
    if person.is_active:
        raise Conflict(
            f"{person.email} may still sign in. Disable them in Cerby first, and read everybody's role again."
        )
    if ApiKey.objects.filter(owner=person, phase__in=[Phase.LIVE, Phase.PENDING]).exists():
        raise Conflict(f"Keys still act as {person.email}. Delete them first.")


def _readable() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(salt__isnull=False)


def _addresses(person: User) -> set[str]:
    """Every e-mail that they had while the portal knew them."""
    known = {person.email, *_readable().filter(actor_id=person.pk).values_list("actor_email", flat=True)}
    changes = _readable().filter(type=Event.PERSON_CHANGED).values_list("personal", flat=True)
    moves = [{value for path, value in personal.items() if path.endswith(".email")} for personal in changes]
    while new := {address for move in moves if move & known for address in move} - known:
        known |= new
    return known - {""}


def _mentioning(addresses: set[str]) -> Iterator[int]:
    """Events in whose details one of ``addresses`` stands. Reads the whole record: nobody erases often."""
    texts = _readable().annotate(text=Cast("personal", TextField()))
    for address in addresses:
        rows = texts.filter(text__icontains=address).values_list("pk", "personal")
        for pk, personal in rows.iterator(chunk_size=CHUNK):
            if any(address in re.split(r"[\s,=]+", value.lower()) for value in personal.values()):
                yield pk


def _blank(events: list[int]) -> None:
    for batch in batches(events, CHUNK):
        AuditEvent.objects.filter(pk__in=batch).update(
            actor_name="", actor_email="", ip="", browser="", personal={}, salt=None
        )


def _forget(person: User) -> None:
    """Cerby's own identifier of them stays, so that a key's history stays one person's."""
    person.email = f"{person.cerby_id}@erased.invalid"
    person.name = ERASED
    person.set_unusable_password()
    person.save(update_fields=["email", "name", "password"])
    ApiKey.objects.filter(owner=person).update(**ApiKey.owner_columns(person))
    RevealGrant.objects.filter(user=person).update(claimed_ip="", claimed_browser="")
    EmailAddress.objects.filter(user=person).delete()
