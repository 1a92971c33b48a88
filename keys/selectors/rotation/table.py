"""Return the list of rotations, filtered by state and reason, newest first."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import F, QuerySet
from django.http import QueryDict

from keys.audit.guard import authorize
from keys.models import Rotation
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import OPEN, Because, RotationState
from keys.selectors.inventory.keyset import Order, Page, page
from keys.selectors.rotation.page import killed

UNDER_WAY, ALL = "open", "all"
NEWEST_FIRST = Order((F("started_at"), F("id")), descending=True)
COLUMNS = (
    *("id", "state", "because", "started_at", "overlap_until", "old_id", "old__name", "new_id", "new__name"),
    *("started_by__name", "ended_at", "returned_at", "used_at", "proof"),
)


class RotationsForm(forms.Form):
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[
            (UNDER_WAY, "Under way"),
            *((state.value, state.label) for state in RotationState),
            (ALL, "All"),
        ],
    )
    because = forms.ChoiceField(
        label="Reason",
        required=False,
        choices=[("", "Any"), *((each.value, each.label) for each in Because)],
    )


@dataclass(frozen=True)
class RotationRow:
    id: UUID
    state: RotationState
    because: str
    started_at: Any
    overlap_until: Any
    old_id: UUID
    old_name: str
    new_id: UUID
    new_name: str
    started_by: str
    ended_at: Any
    was_used_again: bool
    was_killed: bool

    @property
    def state_label(self) -> str:
        return "Killed" if self.was_killed else self.state.label


@dataclass(frozen=True)
class Rotations:
    form: RotationsForm
    page: Page[Any]
    rows: list[RotationRow]

    @property
    def is_filtered(self) -> bool:
        return self.form.data != {"state": UNDER_WAY, "because": ""}


def rotations(actor: Actor, params: QueryDict) -> Rotations:
    """Return one page. Unknown values of a filter are ignored. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    state, because = params.get("state") or UNDER_WAY, params.get("because") or ""
    form = RotationsForm({"state": state, "because": because})
    form.is_valid()
    state, because = form.cleaned_data.get("state", UNDER_WAY), form.cleaned_data.get("because", "")
    wanted = _wanted(state, because)
    everything = Rotation.objects.all()
    parts = [(part, NEWEST_FIRST) for part in wanted]
    found = page(
        everything.values_list(*COLUMNS),
        NEWEST_FIRST,
        everything,
        after=_id(params.get("after")),
        before=_id(params.get("before")),
        among=parts if len(wanted) > 1 or state != ALL or because else (),
    )
    of_page = [dict(zip(COLUMNS, values, strict=True)) for values in found.rows]
    ended = killed((row["id"], row["old_id"]) for row in of_page if row["state"] == RotationState.RETIRED)
    return Rotations(form, found, [_row(row, was_killed=row["id"] in ended) for row in of_page])


def _wanted(state: str, because: str) -> list[QuerySet[Rotation]]:
    """Return one query for each state, because an index can walk only one of them in order."""
    if state == ALL and not because:
        return [Rotation.objects.all()]
    states = OPEN if state == UNDER_WAY else tuple(RotationState) if state == ALL else (state,)
    filters: dict[str, str] = {"because": because} if because else {}
    return [Rotation.objects.filter(state=str(each), **filters) for each in states]


def _id(text: str | None) -> UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def _row(found: dict[str, Any], *, was_killed: bool) -> RotationRow:
    return RotationRow(
        id=found["id"],
        state=RotationState(found["state"]),
        because=Because(found["because"]).label,
        started_at=found["started_at"],
        overlap_until=found["overlap_until"],
        old_id=found["old_id"],
        old_name=found["old__name"],
        new_id=found["new_id"],
        new_name=found["new__name"],
        started_by=found["started_by__name"],
        ended_at=found["ended_at"],
        was_used_again=found["returned_at"] is not None and found["used_at"] is None,
        was_killed=was_killed,
    )
