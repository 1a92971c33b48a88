"""Find the people whom the column "By" of a pasted table names, in the portal and then in Cerby."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from keys import cerby
from keys.models import User
from keys.rules.batches import batches
from keys.rules.errors import CerbyError
from keys.rules.folded_text import fold
from keys.rules.pasted_table import Row

AT_ONCE = 500
MOST_PEOPLE = 20_000
"""People whose names are compared. With more, "By" must contain an email."""

MOST_WORDS = 12

Person = User | cerby.Person


@dataclass
class Directory:
    """People by email in lower case and by folded name. ``problem``: why Cerby could not be asked."""

    by_email: dict[str, Person] = field(default_factory=dict)
    by_name: defaultdict[str, dict[str, Person]] = field(default_factory=lambda: defaultdict(dict))
    problem: str = ""

    def add(self, person: Person) -> None:
        """Add ``person``, unless the email belongs to somebody who has not left."""
        email = person.email.lower()
        earlier = self.by_email.get(email)
        if earlier is None or _is_successor(person, earlier):
            if earlier is not None:
                self.by_name[fold(earlier.name)].pop(email, None)
            self.by_email[email] = person
            self.by_name[fold(person.name)][email] = person

    def find(self, row: Row) -> tuple[Person | None, str]:
        """Return the person whom ``row`` names, or None and the reason."""
        if not row.by:
            return None, "The row does not say who made the key."
        shown = " ".join(row.by)[:100]
        if row.email:
            person = self.by_email.get(row.email)
            return (
                person,
                "" if person else f"Cerby knows nobody with the email {row.email[:100]}. {self.problem}",
            )
        found = self._named(row)
        if len(found) == 1:
            return found[0], ""
        if found:
            emails = ", ".join(sorted(person.email for person in found)[:5])
            return None, f"Several people are called “{shown}”: {emails}. Add the email to the row."
        return None, f"Nobody is called “{shown}”. {self.problem}"

    def _named(self, row: Row) -> list[Person]:
        for line in (*row.by, " ".join(row.by)):
            if exact := self.by_name.get(fold(line)):
                return list(exact.values())
        words = fold(" ".join(row.by)).split()[:MOST_WORDS]
        parts = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
        named = {email: person for part in parts for email, person in self.by_name.get(part, {}).items()}
        return list(named.values())


def directory(rows: Iterable[Row]) -> Directory:
    """Return the people whom active rows may name.

    Ask Cerby for its people if the portal lacks one, or one has left and may have a successor.
    """
    active = [row for row in rows if row.by]
    people = Directory()
    emails = {row.email for row in active if row.email}
    for batch in batches(sorted(emails), AT_ONCE):
        for user in User.objects.filter(email__in=batch):
            people.add(user)
    if any(not row.email for row in active):
        for user in User.objects.order_by("pk")[:MOST_PEOPLE]:
            people.add(user)
    found = (people.find(row)[0] for row in _one_per_person(active))
    if any(person is None or _has_left(person) for person in found):
        _add_from_cerby(people)
    return people


def _has_left(person: Person) -> bool:
    return isinstance(person, User) and person.left_at is not None


def _is_successor(person: Person, earlier: Person) -> bool:
    """Return whether Cerby gave the email of ``earlier``, who has left, to ``person``, who is another one."""
    is_other = (
        isinstance(person, cerby.Person) and isinstance(earlier, User) and person.id != earlier.cerby_id
    )
    return is_other and _has_left(earlier)


def _one_per_person(rows: Iterable[Row]) -> list[Row]:
    return list({row.by: row for row in rows}.values())


def _add_from_cerby(people: Directory) -> None:
    try:
        for person in cerby.connect().people(within=cerby.A_PERSON_WAITS):
            if person.email:
                people.add(person)
    except CerbyError as error:
        people.problem = f"Cerby was not asked: {error.sentence}"
