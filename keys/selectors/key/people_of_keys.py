"""Return whom to mail about a key: the people who have to do with it, or admins if all have left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from keys.models import ApiKey, User
from keys.selectors.people import recipients, whom_to_ask

COLUMNS = ("owner", "accountable", "backup")
"""The people of a key, for ``select_related``."""
People = tuple[User, ...]
"""The owner, the accountable person and the backup of a key, each once, without those who have left."""
T = TypeVar("T")


def people_of(key: ApiKey) -> People:
    people = (key.owner, key.accountable, key.backup)
    return tuple(dict.fromkeys(one for one in people if one is not None and one.left_at is None))


def who_answers(key: ApiKey) -> User | None:
    """Return the accountable person, or else the backup, if they can sign in."""
    return next((one for one in (key.accountable, key.backup) if one is not None and one.is_active), None)


def who_rotates(key: ApiKey) -> User | None:
    """Return who is asked to rotate ``key``: who answers for it, or else its owner, if they can sign in."""
    return who_answers(key) or (key.owner if key.owner.is_active else None)


def by_people(rows: Iterable[tuple[ApiKey, T]]) -> dict[People, list[T]]:
    """Return what belongs to each key, by the people of the key."""
    found: defaultdict[People, list[T]] = defaultdict(list)
    for key, row in rows:
        found[people_of(key)].append(row)
    return found


def addresses(people: People) -> list[str]:
    """Return the emails of ``people``, or those that get alerts if there is nobody."""
    return [person.email for person in people] or recipients()


def salutation(people: People) -> str:
    return f"Hello {', '.join(person.name for person in people)}," if people else "Hello,"


def why_you(people: People) -> str:
    """Return a last paragraph for admins and for people without an account, or an empty text."""
    if not people:
        return (
            "You get this mail as an admin: the owner of each of these keys, the accountable person and the "
            "backup have left, or there are none."
        )
    asked = ", ".join(f"{person.name} ({person.email})" for person in whom_to_ask())
    if asked and not all(person.is_active for person in people):
        return f"If you cannot sign in to the portal, ask one of its admins: {asked}."
    return ""
