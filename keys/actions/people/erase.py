"""Erase the personal data of a person who has left, from their row, keys and views, and the audit log.

The log still shows each event, its time, its key and the number of the person. Names, addresses and browsers
are erased, and so are the salts, without which nobody can guess the values from the hashes in the leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote_plus

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Max, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import QueryDict

from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.forget_factors import forget_factors
from keys.actions.people.unlink_sso import unlink_person
from keys.audit import refusals
from keys.audit.erasures import append_erasure, list_earlier_erasures
from keys.models import (
    ApiKey,
    AuditEvent,
    CalendarFeed,
    Delivery,
    InboxItem,
    Notification,
    NotificationChoice,
    RevealGrant,
    SavedView,
    User,
)
from keys.rules.batches import batches
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor

ERASED = "Erased person"
CHUNK = 500


def erase_person(actor: Actor | None, email: str) -> int:
    """Erase the person with the address ``email``, and return how many events were blanked.

    ``actor`` is None on the command line. An event that mentions the person loses the personal values of
    everybody in it, because they share one salt. Raises ``Conflict`` if the person may sign in or has keys
    that are live or pending.
    """
    if actor is not None:
        actor = authorize_now(actor, Action.ERASE_PERSON)
    person = User.objects.filter(email=email.lower()).first()
    if person is None:
        raise NotFound(f"The portal knows nobody with the email {email}.")
    _check_has_left(person)
    addresses, name = _known_addresses(person), person.name
    newest = AuditEvent.objects.aggregate(newest=Max("pk", default=0))["newest"]
    mentioned = set(_events_mentioning(addresses))  # reads the whole log, so others may write meanwhile
    with transaction.atomic():
        refusals.record_all_of(person)  # the counts have an address and a browser
        unlink_person(person, actor)
        forget_factors(actor, person, reason="The person was erased.")
        mentioned |= set(_events_mentioning(addresses, after=newest))
        mentioned |= set(_events_with_personal_data().filter(actor_id=person.pk).values_list("pk", flat=True))
        list_earlier_erasures()
        leaves = _blank(sorted(mentioned))
        _anonymize(person)
        _forget_in_views(person, addresses)
        _forget_in_notifications(addresses | {name})
        append_erasure(actor, str(person.pk), leaves)
    return len(mentioned)


def _check_has_left(person: User) -> None:
    if person.is_active:
        raise Conflict(
            f"{person.email} may still sign in. Disable them in Cerby first, and read everybody's role again."
        )
    if ApiKey.objects.filter(owner=person, phase__in=[Phase.LIVE, Phase.PENDING]).exists():
        raise Conflict(f"Keys still act as {person.email}. Delete them first.")


def _events_with_personal_data() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(salt__isnull=False)


def _known_addresses(person: User) -> set[str]:
    """Return every email address that the portal has known for ``person``."""
    known = {
        person.email,
        *_events_with_personal_data().filter(actor_id=person.pk).values_list("actor_email", flat=True),
    }
    changes = (
        _events_with_personal_data().filter(type=Event.PERSON_CHANGED).values_list("personal", flat=True)
    )
    moves = [{value for path, value in personal.items() if path.endswith(".email")} for personal in changes]
    while new := {address for move in moves if move & known for address in move} - known:
        known |= new
    return known - {""}


def _events_mentioning(addresses: set[str], *, after: int = 0) -> Iterator[int]:
    """Yield the ids, greater than ``after``, of events whose details contain one of ``addresses``."""
    texts = _events_with_personal_data().filter(pk__gt=after).annotate(text=Cast("personal", TextField()))
    for address in addresses:
        rows = texts.filter(text__icontains=address).values_list("pk", "personal")
        for pk, personal in rows.iterator(chunk_size=CHUNK):
            if any(address in re.split(r"[\s,=]+", value.lower()) for value in personal.values()):
                yield pk


def _blank(events: list[int]) -> list[bytes]:
    """Blank the events and return their leaves."""
    leaves: list[bytes] = []
    for batch in batches(events, CHUNK):
        rows = _events_with_personal_data().filter(pk__in=batch)
        leaves += [bytes(leaf) for leaf in rows.order_by("pk").values_list("leaf", flat=True)]
        AuditEvent.objects.filter(pk__in=batch).update(
            actor_name="", actor_email="", ip="", browser="", personal={}, salt=None
        )
    return leaves


def _anonymize(person: User) -> None:
    """Replace name and email. Cerby's id stays, so that the history of a key still has one owner."""
    person.email = person.email_if_erased
    person.name = ERASED
    person.set_unusable_password()
    person.save(update_fields=["email", "name", "password"])
    ApiKey.objects.filter(owner=person).update(**ApiKey.owner_columns(person))
    ApiKey.objects.filter(accountable=person).update(**ApiKey.accountable_columns(person))
    RevealGrant.objects.filter(user=person).update(claimed_ip="", claimed_browser="")
    EmailAddress.objects.filter(user=person).delete()
    for model in (InboxItem, NotificationChoice, CalendarFeed):
        model.objects.filter(user=person).delete()


def _forget_in_views(person: User, addresses: set[str]) -> None:
    """Delete the person's private views. Other views that filter by an address of theirs keep their keys."""
    SavedView.objects.filter(user=person, shared=False).delete()
    for address in addresses:
        for view in SavedView.objects.filter(query__icontains=quote_plus(address)):
            params = QueryDict(view.query, mutable=True)
            for name, values in params.lists():
                params.setlist(name, [_with_address(value, address, person.email) for value in values])
            SavedView.objects.filter(pk=view.pk).update(query=params.urlencode())


def _forget_in_notifications(texts: set[str]) -> None:
    """Delete the notifications and the mails that mention the person. Reads all of them."""
    for text in texts:
        Notification.objects.filter(Q(words__icontains=text) | Q(text__icontains=text)).delete()
        mails = Delivery.objects.annotate(all_to=Cast("to", TextField()))
        mails.filter(Q(all_to__icontains=text) | Q(text__icontains=text)).delete()


def _with_address(text: str, old: str, new: str) -> str:
    return re.sub(r"[^\s,;]+", lambda word: new if word[0].lower() == old else word[0], text)
