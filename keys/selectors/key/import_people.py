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


def ownership_of(cells: Mapping[str, str], order: DayOrder | None) -> Ownership:
    return Ownership(
        accountable=cells["accountable"].lower(),
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
        if isinstance(person, User) and person.left_at is not None:
            raise Invalid(**{name: f"{email[:254]} under {name} is disabled in Cerby or has left."})
        if person is not None:
            yield person
