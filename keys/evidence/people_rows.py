"""Find rows of people that contradict the audit log, with all people in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keys.crypto.password_hash import digest_of_hash
from keys.evidence.contradiction import Contradiction
from keys.evidence.logged_people import PEOPLE_EVENTS, facts_after, password_events
from keys.models import AuditEvent, User
from keys.rules.events import Event
from keys.tlog.leaf import ERASED, readable

PAGE = 500
NOT_ADDED = "the row lets this person sign in, and no event says that they were added."
NOT_REMOVED = "the row does not let this person sign in, and no event says that they were removed."
NO_PASSWORD = "a password is stored, and no event says that it was set."  # noqa: S105 - a sentence
OTHER_PASSWORD = "the stored password is not the one that the newest event about it recorded."  # noqa: S105


@dataclass
class LoggedPeople:
    """People by the log: their ``facts``, whether they were ``added`` last, and the ``newest`` event.

    ``deleted``: the newest events about people who have no row.
    """

    facts: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    added: dict[int, bool] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)


def changed_people() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a person may change meanwhile."""
    found = list(_differences())
    if found:
        again = set(_differences())
        yield from (one for one in found if one in again)


def count_unbound_passwords() -> int:
    """Return how many people have a password whose events are older than the digest in them."""
    return sum(digest is None for _, digest in _newest_digests().values())


def _differences() -> Iterator[Contradiction]:
    people = {user.pk: user for user in User.objects.order_by("pk").iterator()}
    logged = _people_in_log(people)
    passwords = _newest_digests()
    for pk, user in people.items():
        for words in (*_wrong_facts(user, logged.facts[pk]), *_wrong_access(user, logged.added.get(pk))):
            yield Contradiction(logged.newest.get(pk), f"Person {user.cerby_id}: {words}")
        event_id, words = _wrong_password(user, passwords)
        if words:
            yield Contradiction(event_id, f"Person {user.cerby_id}: {words}")
    for pk, event_id in logged.deleted.items():
        yield Contradiction(event_id, f"The row of person number {pk} was deleted.")


def _wrong_facts(user: User, facts: Mapping[str, str]) -> Iterator[str]:
    row = {
        "full name": user.name,
        "email": user.email,
        "role": user.role_in_words,
        "may sign in": "yes" if user.is_active else "no",
        "in the workspace": "yes" if user.left_at is None else "no",
    }
    if user.email == f"{user.cerby_id}@moved.invalid":  # another person has the address, without an event
        del row["email"]
    for name, value in facts.items():
        if name in row and row[name] != value and value != ERASED:
            yield f"{name} is {row[name]!r} in the row, and {value!r} according to the log."


def _wrong_access(user: User, added: bool | None) -> Iterator[str]:
    """Compare whether the person was added. ``added``: None if no event says so."""
    if user.added_at is None and not user.is_active:
        if added:
            yield NOT_REMOVED
    elif not added:
        yield NOT_ADDED


def _wrong_password(user: User, passwords: Mapping[int, tuple[int, str | None]]) -> tuple[int | None, str]:
    if not user.has_usable_password():
        return None, ""
    if user.pk not in passwords:
        return None, NO_PASSWORD
    event_id, digest = passwords[user.pk]
    return event_id, OTHER_PASSWORD if digest not in {None, digest_of_hash(user.password)} else ""


def _newest_digests() -> dict[int, tuple[int, str | None]]:
    """Return the newest event about each person's password, and its digest, by the person's number."""
    events = password_events().filter(actor_id__isnull=False).order_by("id")
    rows = events.values_list("actor_id", "id", "details").iterator(chunk_size=PAGE)
    return {
        pk: (event_id, details.get("password_digest")) for pk, event_id, details in rows if pk is not None
    }


def _people_in_log(people: Mapping[int, User]) -> LoggedPeople:
    """Read the events about people, the newest first."""
    by_email = {user.email: pk for pk, user in people.items()}
    logged = LoggedPeople()
    rows = AuditEvent.objects.filter(type__in=PEOPLE_EVENTS, outcome="done").order_by("-id")
    columns = ("id", "type", "details", "personal")
    for event_id, kind, details, personal in rows.values_list(*columns).iterator(chunk_size=PAGE):
        shown = readable(details, personal)
        pk = int(shown["person"]) if "person" in shown else by_email.get(shown["email"], 0)
        if pk not in people:
            if "person" in shown:
                logged.deleted.setdefault(pk, event_id)
            continue  # erased, or the address belongs to nobody any more
        logged.newest.setdefault(pk, event_id)
        for name, value in facts_after(kind, shown).items():
            logged.facts[pk].setdefault(name, value)
        if kind in {Event.PERSON_ADDED, Event.PERSON_REMOVED}:
            logged.added.setdefault(pk, kind == Event.PERSON_ADDED)
        if "person" in shown:
            logged.facts[pk].setdefault("email", shown["email"])
        earlier = shown.get("before", {}).get("email")
        if earlier and earlier != ERASED:
            by_email.setdefault(earlier, pk)
    return logged
