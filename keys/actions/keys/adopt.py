"""Adopt a key that was discovered in Cerby by recording its purpose and who answers for it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import F

from keys.actions.people.accountable import active_person
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.validation import new_key


def adopt_key(actor: Actor, key_id: UUID, *, purpose: str, accountable: str = "") -> None:
    """Record ``purpose`` for ``key_id``, and who answers for it. The owner stays the person whom Cerby names.

    ``accountable`` is an email. If it is empty, the person who adopts answers for the key.

    Raises ``Conflict`` if the key was not discovered, is being removed, or already has a purpose.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ADOPT_KEY, key)
    new_key.check_purpose(purpose)
    person = active_person(accountable or actor.email, "accountable")
    discovered = ApiKey.objects.filter(pk=key.pk, origin=ApiKey.Origin.DISCOVERED, state=State.HELD)
    with transaction.atomic():
        columns = ApiKey.accountable_columns(person)
        if discovered.filter(purpose="").update(purpose=purpose, version=F("version") + 1, **columns) != 1:
            raise Conflict("This key already has a purpose, or is removed. Reload the page to see it.")
        answers = {"id": str(person.pk), "email": person.email}
        log.append(Event.KEY_ADOPTED, actor=actor, key=key, purpose=purpose, accountable=answers)
