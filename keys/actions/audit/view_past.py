"""Read the inventory as of a past time from the audit log, and record that it was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.http import QueryDict

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.audit.guard import authorize
from keys.evidence.keys_as_of import PAGE, KeyAsOf, page_of_keys
from keys.evidence.parts import key_cells
from keys.rules import key_text
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.inventory.exports import Export
from keys.selectors.inventory.past import PastForm, meets

SHOWN = 50
MOST_PAGES = 4
"""Pages of ``PAGE`` keys that are read for one answer, so that it takes at most a second or two."""
START = UUID(int=0)


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
    log.append(Event.INVENTORY_SEARCHED, actor=actor, filter=_said(form))
    return found


def export_past(actor: Actor, params: QueryDict) -> Export:
    """Return all keys that met the filters, read while they are sent. Their number is not known before.

    Raise ``NotAllowed``, or ``Invalid`` if the filter is not valid.
    """
    authorize(actor, Action.SEE_INVENTORY)
    actor = authorize_now(actor, Action.EXPORT_INVENTORY)
    form = PastForm(params)
    if not form.is_valid():
        raise Invalid(form.reasons())
    log.append(Event.INVENTORY_EXPORTED, actor=actor, filter=_said(form))
    rows = (key_cells(key) for found, _ in _pages(form, START) for key in found)
    return Export(None, form.cleaned_data["at"], _said(form), rows)


def _said(form: PastForm) -> str:
    return key_text.withheld(form.in_words())


def _pages(form: PastForm, after: UUID) -> Iterator[tuple[list[KeyAsOf], UUID | None]]:
    """Yield the keys of each page that met the filters, and the id to continue after."""
    chosen, following = form.cleaned_data, after
    while True:
        page = page_of_keys(chosen["at"], following)
        yield [key for key in page.keys if meets(vars(key), chosen, page.people)], page.after
        if page.after is None:
            return
        following = page.after


def _read(form: PastForm) -> PastInventory:
    keys: list[KeyAsOf] = []
    after: UUID | None = form.cleaned_data["after"] or START
    read = 0
    assert after is not None
    pages = _pages(form, after)
    for _ in range(MOST_PAGES):
        found, after = next(pages)
        read += PAGE
        keys += found
        if len(keys) > SHOWN:
            return PastInventory(form, keys[:SHOWN], keys[SHOWN - 1].id, read)
        if after is None:
            break
    return PastInventory(form, keys, after, read)
