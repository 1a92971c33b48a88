"""Who owns the keys that Cerby lists: people known here, and strangers as Cerby describes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from uuid import UUID

from keys import cerby
from keys.actions.people.refresh import remember
from keys.models import User
from keys.rules.errors import CerbyNotFound

ASKED_ONE_BY_ONE = 3


class Owners:
    """The owners of one listing's keys.

    A few strangers are asked for one by one. For more of them the list of all people is read, once: its
    pages cost fewer calls.
    """

    def __init__(self) -> None:
        self._listed: dict[UUID, cerby.Person] | None = None

    def of(self, ids: set[UUID]) -> dict[UUID, User]:
        """Rows by Cerby's id of the person; whom Cerby does not know either is left out.

        Raises ``CerbyError``.
        """
        known = _known(ids)
        strangers = ids - known.keys()
        if strangers:
            remember(self._described(strangers))
            known |= _known(strangers)
        return known

    def _described(self, ids: set[UUID]) -> Iterable[cerby.Person]:
        if self._listed is None and len(ids) > ASKED_ONE_BY_ONE:
            self._listed = {person.id: person for person in cerby.connect().people()}
        if self._listed is None:
            return _one_by_one(ids)
        return [self._listed[person_id] for person_id in ids if person_id in self._listed]


def _known(ids: set[UUID]) -> dict[UUID, User]:
    return {user.cerby_id: user for user in User.objects.filter(cerby_id__in=ids)}


def _one_by_one(ids: set[UUID]) -> Iterator[cerby.Person]:
    client = cerby.connect()
    for person_id in ids:
        with suppress(CerbyNotFound):
            yield client.person(person_id)
