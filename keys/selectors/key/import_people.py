"""Read who answers for a key, and what it is for, from a row of an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keys import cerby
from keys.models import User
from keys.rules.errors import Invalid
from keys.rules.pasted_dates import DayOrder
from keys.selectors.key.import_dates import day
from keys.validation.ownership import Ownership, tags_in

People = Mapping[str, User | cerby.Person]


def ownership_of(cells: Mapping[str, str], order: DayOrder | None, *, default: str) -> Ownership:
    """Read the cells of a row. ``default``: the email of the accountable person if the row names nobody."""
    return Ownership(
        accountable=cells["accountable"].lower() or default,
        backup=cells["backup"].lower(),
        team=cells["team"],
        system=cells["system"],
        kind=cells["kind"].lower(),
        environment=cells["environment"].lower(),
        review_on=day("review", cells["review"], order) if cells["review"] else None,
        tags=tags_in(cells["tags"]),
    )


def answering(ownership: Ownership, people: People) -> Iterator[User | cerby.Person]:
    """Yield the accountable person and the backup. Raise ``Invalid`` unless they are active members."""
    for name, email in (("accountable", ownership.accountable), ("backup", ownership.backup)):
        person = people.get(email)
        if email and person is None:
            raise Invalid(**{name: f"Cerby knows nobody with the email “{email[:254]}” under {name}."})
        if person is not None and has_left(person):
            raise Invalid(**{name: f"{email[:254]} under {name} is disabled in Cerby or has left."})
        if person is not None:
            yield person


def has_left(person: User | cerby.Person) -> bool:
    return person.left_at is not None if isinstance(person, User) else person.is_disabled


def email_if_here(owner: User | cerby.Person | None) -> str:
    """Return the email of the owner, who answers for a key unless the file names another person."""
    return owner.email.lower() if owner is not None and not has_left(owner) else ""
