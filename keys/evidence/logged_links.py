"""Compare the links with sign-in providers with the events that explain them."""

from __future__ import annotations

from collections.abc import Iterator

from keys.evidence.contradiction import Contradiction
from keys.evidence.logged_people import former_values
from keys.models import AuditEvent, LoggedEmail, SsoLink, User
from keys.rules.events import Event
from keys.tlog.leaf import ERASED, readable

PAGE = 500
EVENTS = (Event.SSO_LINKED, Event.SSO_UNLINKED)
Facts = dict[str, str]


def is_forged_link(link: SsoLink) -> bool:
    """Return whether no event of the portal explains this row, or a later one ends it."""
    row = AuditEvent.objects.filter(pk=link.event_id, type=Event.SSO_LINKED, outcome="done")
    found = row.values_list("details", "personal").first()
    if found is None or not _explains(readable(*found), link):
        return True
    ended = AuditEvent.objects.filter(type=Event.SSO_UNLINKED, pk__gt=link.event_id)
    return ended.filter(details__person=str(link.user_id), details__provider=link.issuer).exists()


def was_removed(user: User) -> bool:
    """Return whether somebody has ever removed this person from the portal."""
    emails = [user.email, *former_values(user)]
    rows = AuditEvent.objects.filter(type=Event.PERSON_REMOVED, details__person=str(user.pk))
    return rows.alias(about=LoggedEmail()).filter(about__in=emails).exists()


def changed_links() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a person may sign in meanwhile."""
    found = list(_differences())
    if found:
        again = set(_differences())
        yield from (one for one in found if one in again)


def _differences() -> Iterator[Contradiction]:
    links = {(link.user_id, link.issuer): link for link in SsoLink.objects.iterator(chunk_size=PAGE)}
    newest = _newest()
    for at, link in links.items():
        event_id, kind, facts = newest.get(at, (None, "", {}))
        if kind != Event.SSO_LINKED or event_id != link.event_id or not _explains(facts, link):
            yield Contradiction(
                event_id,
                f"Person number {link.user_id} is linked with an account of {link.issuer}, and no event "
                "says so.",
            )
    for (user_id, issuer), (event_id, kind, _) in newest.items():
        if kind == Event.SSO_LINKED and (user_id, issuer) not in links:
            yield Contradiction(event_id, f"The link of person number {user_id} with {issuer} was deleted.")


def _newest() -> dict[tuple[int, str], tuple[int, str, Facts]]:
    """Return the newest event about each person and provider."""
    newest = {}
    rows = AuditEvent.objects.filter(type__in=EVENTS, outcome="done").order_by("id")
    columns = ("id", "type", "details", "personal")
    for event_id, kind, details, personal in rows.values_list(*columns).iterator(chunk_size=PAGE):
        newest[int(details["person"]), details["provider"]] = (event_id, kind, readable(details, personal))
    return newest


def _explains(facts: Facts, link: SsoLink) -> bool:
    return (
        facts.get("person") == str(link.user_id)
        and facts.get("provider") == link.issuer
        and facts.get("subject") in {link.subject, ERASED}
    )
