"""Erase the personal data of a person who has left, from their row, keys and views, and the audit log.

The log still shows each event, its time, its key and the number of the person. Names, addresses and browsers
are erased, and so are the salts, without which nobody can guess the values from the hashes in the leaves.

Others can write meanwhile. If an erasure breaks off, the same call does the rest: the events without which it
would not find all addresses of the person are blanked last, together with their row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote_plus
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Max, Min, Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import QueryDict

from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.copies import LONGEST_RUN, copies_are_due, update_copies
from keys.actions.people.forget_factors import forget_factors
from keys.actions.people.one_person import person_in_turn
from keys.actions.people.unlink_sso import unlink_person
from keys.audit import refusals
from keys.audit.erasures import IN_ONE_EVENT, append_erasure, list_earlier_erasures
from keys.models import (
    AccessRequest,
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
from keys.rules.batches import batches, each_alone, in_turns
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor

ERASED = "Erased person"
CHUNK = 500
Found = tuple[type[Model], int]
"""A row, by its model and number."""


def erase_person(actor: Actor | None, email: str) -> int:
    """Erase the person with the address ``email``, and return how many events were blanked.

    ``actor`` is None on the command line. An event that mentions the person loses the personal values of
    everybody in it, because they share one salt. Raises ``Conflict`` if the person may sign in or has keys
    that are live or pending.
    """
    if actor is not None:
        actor = replace(authorize_now(actor, Action.ERASE_PERSON), part_of=str(uuid4()))
    person = User.objects.filter(email=email.lower()).first()
    if person is None:
        raise NotFound(f"The portal knows nobody with the email {email}.")
    _check_has_left(person)
    addresses, texts = _known_addresses(person), {person.name}
    texts |= addresses
    newest = _newest_rows()
    with transaction.atomic():
        list_earlier_erasures()
    mentioned = set(_events_mentioning(addresses)) | set(_events_by(person).values_list("pk", flat=True))
    last = _leading_to_addresses(person, mentioned)
    for some in in_turns(each_alone(_found_in_notifications(texts)), IN_ONE_EVENT):
        _forget(some)
    count = 0
    if len(mentioned) <= IN_ONE_EVENT:
        last |= mentioned
    for events in in_turns(each_alone(sorted(mentioned - last)), IN_ONE_EVENT):
        with transaction.atomic():
            count += _blank(actor, _as_they_are(person), events)
    with transaction.atomic():
        person = _as_they_are(person)
        refusals.record_all_of(person)  # the counts have an address and a browser
        unlink_person(person, actor)
        forget_factors(actor, person, reason="The person was erased.")
        last |= set(_events_mentioning(addresses, after=newest[AuditEvent]))
        last |= set(_events_by(person).values_list("pk", flat=True))
        count += _blank(actor, person, sorted(last))
        _anonymize(person)
        _forget_in_views(person, addresses)
        _forget(list(_found_in_notifications(texts, after=newest)))
        _forget_in_requests(person, addresses)
    update_copies(person.pk, within=LONGEST_RUN)
    return count


def _newest_rows() -> dict[type[Model], int]:
    """Return the numbers of the newest rows. Reading all up to them takes long, so others may write then."""
    return {
        model: model._default_manager.aggregate(newest=Max("pk", default=0))["newest"]  # noqa: SLF001
        for model in (AuditEvent, Notification, Delivery)
    }


def _as_they_are(person: User) -> User:
    """Lock the person's row until the transaction ends, and return it if they can still be erased."""
    row = person_in_turn(person.pk)
    if row.email != person.email:
        raise Conflict(f"{person.email} has just been erased or renamed.")
    _check_has_left(row)
    return row


def _leading_to_addresses(person: User, events: set[int]) -> set[int]:
    """Return those of ``events`` from which ``_known_addresses`` knows more than the present address."""
    own = _events_by(person).exclude(actor_email=person.email).order_by()
    first = own.values("actor_email").annotate(first=Min("pk")).values_list("first", flat=True)
    changes = AuditEvent.objects.filter(type=Event.PERSON_CHANGED).values_list("pk", flat=True)
    return {*first, *(pk for some in batches(events, CHUNK) for pk in changes.filter(pk__in=some))}


def _check_has_left(person: User) -> None:
    if person.is_active:
        raise Conflict(
            f"{person.email} may still sign in. Disable them in Cerby first, and read everybody's role again."
        )
    if ApiKey.objects.filter(owner=person, phase__in=[Phase.LIVE, Phase.PENDING]).exists():
        raise Conflict(f"Keys still act as {person.email}. Delete them first.")


def _events_with_personal_data() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(salt__isnull=False)


def _events_by(person: User) -> QuerySet[AuditEvent]:
    return _events_with_personal_data().filter(actor_id=person.pk)


def _known_addresses(person: User) -> set[str]:
    """Return every email address that the portal has known for ``person``."""
    known = {
        person.email,
        *_events_by(person).order_by().values_list("actor_email", flat=True).distinct(),
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


def _blank(actor: Actor | None, person: User, events: list[int]) -> int:
    """Blank the events in the caller's transaction, record which, and return how many were not blank yet."""
    leaves: list[bytes] = []
    for batch in batches(events, CHUNK):
        rows = _events_with_personal_data().filter(pk__in=batch)
        leaves += [bytes(leaf) for leaf in rows.order_by("pk").values_list("leaf", flat=True)]
        rows.update(actor_name="", actor_email="", ip="", browser="", personal={}, salt=None)
    append_erasure(actor, str(person.pk), leaves)
    return len(leaves)


def _anonymize(person: User) -> None:
    """Replace name and email. Cerby's id stays, so that the history of a key still has one owner."""
    person.email = person.email_if_erased
    person.name = ERASED
    person.set_unusable_password()
    person.save(update_fields=["email", "name", "password"])
    copies_are_due(person)
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


def _found_in_notifications(texts: set[str], after: dict[type[Model], int] | None = None) -> Iterator[Found]:
    """Yield the notifications and mails, newer than ``after``, that mention the person. Reads all of them."""
    mails = Delivery.objects.annotate(all_to=Cast("to", TextField()))
    for text in texts:
        in_words = Q(words__icontains=text) | Q(text__icontains=text)
        in_mail = Q(all_to__icontains=text) | Q(text__icontains=text)
        for model, rows in (
            (Notification, Notification.objects.filter(in_words)),
            (Delivery, mails.filter(in_mail)),
        ):
            newer = rows.filter(pk__gt=after[model]) if after else rows
            yield from [(model, pk) for pk in newer.values_list("pk", flat=True)]


def _forget(found: Iterable[Found]) -> None:
    by_model = defaultdict[type[Model], list[int]](list)
    for model, pk in found:
        by_model[model].append(pk)
    for model, pks in by_model.items():
        for some in batches(pks, CHUNK):
            model._default_manager.filter(pk__in=some).delete()  # noqa: SLF001


def _forget_in_requests(person: User, addresses: set[str]) -> None:
    """Replace the addresses in frozen requests, whose hashes stay. Reads all of them."""
    for address in addresses:
        mentions = Q(document__icontains=address) | Q(offer__icontains=address)
        for request in AccessRequest.objects.filter(mentions):
            request.document = request.document.replace(address, person.email)
            request.offer = request.offer.replace(address, person.email)
            request.save(update_fields=["document", "offer"])


def _with_address(text: str, old: str, new: str) -> str:
    return re.sub(r"[^\s,;]+", lambda word: new if word[0].lower() == old else word[0], text)
