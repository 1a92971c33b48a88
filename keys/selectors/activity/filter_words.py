"""Write a recorded filter, such as "needs=owner-left, status=active", as words for people."""

from __future__ import annotations

import re
from functools import cache

from django import forms

from keys.rules.events import Event
from keys.rules.scopes import label
from keys.selectors.activity.filters import ActivityForm
from keys.selectors.inventory.columns import ALL
from keys.selectors.inventory.conditions import ANY_WRITE
from keys.selectors.inventory.filters import NEEDS, SORTS, InventoryForm

_PART = re.compile(r"(?:^|(?<=, ))([a-z_]+)=(.*?)(?=, [a-z_]+=|$)", re.DOTALL)
_FIELDS: dict[str, forms.Field] = {**InventoryForm.base_fields, **ActivityForm.base_fields}
_SEVERAL = {"scope", "needs", "type"}


def filter_in_words(said: str) -> str:
    """Return the filter in words. A part that is no known filter stays as it is."""
    return _PART.sub(lambda found: _part(found[1], found[2]) or found[0], said)


def _part(name: str, value: str) -> str:
    field = _FIELDS.get(name)
    if field is None:
        return ""
    words = _choices().get(name, {})
    if name == "columns":
        return f"columns: {', '.join(words.get(each, each) for each in value.split(','))}"
    values = value.split(" ") if name in _SEVERAL else [value]
    said = (
        label(each) if name == "scope" and each not in words else words.get(each, each) for each in values
    )
    return f"{str(field.label).lower()}: {' or '.join(said)}"


@cache
def _choices() -> dict[str, dict[str, str]]:
    """Return the words for the values of each filter that is a choice."""
    listed = {
        name: {str(value): str(words) for value, words in field.widget.choices}
        for name, field in _FIELDS.items()
        if type(field) is forms.ChoiceField and name != "sort"
    }
    types = {event.value: event.label for event in Event}
    listed["columns"] = {column.name: column.title.lower() for column in ALL}
    listed["sort"] = {f"-{name}": f"{name}, descending" for name in SORTS}
    return listed | {"needs": dict(NEEDS), "scope": {ANY_WRITE: "any write scope"}, "type": types}
