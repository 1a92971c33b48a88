"""Read the inventory as of a past time from the audit log, and record that it was read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import QueryDict

from keys.audit import log
from keys.audit.guard import authorize
from keys.evidence.keys_as_of import PAGE, KeyAsOf, some_keys_as_of
from keys.evidence.people_as_of import people_as_of
from keys.rules import key_text
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.inventory.past import PastForm, meets

SHOWN = 50
MOST_PAGES = 4
"""Pages of ``PAGE`` keys that are read for one answer, so that it takes at most a second or two."""


@dataclass(frozen=True)
class PastInventory:
    """``after``: the id of the key to continue after, or None at the end. ``read``: keys compared."""

    form: PastForm
    keys: list[KeyAsOf]
    after: UUID | None
    read: int


def view_past(actor: Actor, params: QueryDict) -> PastInventory:
    """Return the keys that met the filters at the time in ``params``, in the order of their ids."""
    authorize(actor, Action.SEE_INVENTORY)
    form = PastForm(params)
    if not form.is_valid():
        return PastInventory(form, [], None, 0)
    found = _read(form)
    said = key_text.withheld(form.in_words())
    log.append(Event.INVENTORY_SEARCHED, actor=actor, filter=said)
    return found


def _read(form: PastForm) -> PastInventory:
    chosen = form.cleaned_data
    emails = people_as_of(chosen["at"]).emails()
    keys: list[KeyAsOf] = []
    after, read = chosen["after"] or UUID(int=0), 0
    for _ in range(MOST_PAGES):
        page, following = some_keys_as_of(chosen["at"], emails, after)
        read += PAGE if following else len(page)
        keys += [key for key in page if meets(vars(key), chosen)]
        if len(keys) > SHOWN:
            return PastInventory(form, keys[:SHOWN], keys[SHOWN - 1].id, read)
        if following is None:
            return PastInventory(form, keys, None, read)
        after = following
    return PastInventory(form, keys, after, read)
