"""Find the owners of the keys that Cerby lists, and add those whom the portal does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from uuid import UUID

from keys import cerby
from keys.actions.people.refresh import create_unknown_users
from keys.models import User
from keys.rules.errors import CerbyNotFound

MAX_SINGLE_REQUESTS = 3


class Owners:
    """The owners of the keys of one sweep.

    Up to three unknown people per page are requested one by one. If there are more, the list of all people
    is read once, which takes fewer calls.
    """

    def __init__(self) -> None:
        self._listed: dict[UUID, cerby.Person] | None = None

    def of(self, ids: set[UUID]) -> dict[UUID, User]:
        """Return users by their Cerby id. People whom Cerby does not know are left out."""
        known = _known(ids)
        strangers = ids - known.keys()
        if strangers:
            create_unknown_users(self._fetch(strangers))
            known |= _known(strangers)
        return known

    def _fetch(self, ids: set[UUID]) -> Iterable[cerby.Person]:
        if self._listed is None and len(ids) > MAX_SINGLE_REQUESTS:
            self._listed = {person.id: person for person in cerby.connect().people()}
        if self._listed is None:
            return _fetch_singly(ids)
        return [self._listed[person_id] for person_id in ids if person_id in self._listed]


def _known(ids: set[UUID]) -> dict[UUID, User]:
    return {user.cerby_id: user for user in User.objects.filter(cerby_id__in=ids)}


def _fetch_singly(ids: set[UUID]) -> Iterator[cerby.Person]:
    client = cerby.connect()
    for person_id in ids:
        with suppress(CerbyNotFound):
            yield client.person(person_id)
