"""Define the forms of bulk actions: the ticked keys, the typed count, and the purposes of adopted keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from django import forms
from django.utils import timezone

from keys.forms.existing_key import ImportForm
from keys.forms.ownership import OWNERSHIP_FIELDS, OwnershipForm
from keys.forms.requests import AskForm
from keys.models import ApiKey, Selection
from keys.rules.folded_text import fold
from keys.rules.working_days import usual_period
from keys.validation.text import REASON_LENGTH

PURPOSE, NAME, KEY_ID = "purpose", "name", ("key id", "id")
_DELIMITERS = ",;\t"
FILE_HELP = (
    "The first line names the columns: “Key id” or “Name”, and “Purpose”. The downloaded list has them."
)


def ticked(values: Iterable[str]) -> list[UUID]:
    """Return the ids of the ticked rows, without what is not an id."""
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(UUID(value))
    return found


class CountForm(forms.Form):
    """The number of keys, typed as a confirmation."""

    typed = forms.CharField(
        required=False,
        label="Number of keys",
        max_length=6,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "autofocus": True}),
    )

    def __init__(self, data: object = None, *, count: int) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["typed"].label = f"Type {count} to delete {count} keys"


class DeleteForm(CountForm, AskForm):
    """The number of keys, and why a second person should approve, if one must."""

    field_order = ("typed", "reason", "ticket")

    def __init__(self, data: object = None, *, count: int, needs_approval: bool) -> None:
        super().__init__(data, count=count)
        if not needs_approval:
            del self.fields["reason"], self.fields["ticket"]


class StopForm(CountForm):
    """The reason for an emergency stop, and the number of keys if there are many."""

    reason = forms.CharField(
        required=False,
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="It is recorded in the audit log, with your name.",
    )
    field_order = ("reason", "typed")

    def __init__(self, data: object = None, *, count: int) -> None:
        super().__init__(data, count=count)
        self.fields["typed"].label = f"Type {count} to stop {count} keys"

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())


class PeriodForm(forms.Form):
    """The days over which rotations are spread. It offers the next working days."""

    first = forms.DateField(
        label="First day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label="Last day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The rotations are spread evenly over Monday to Friday. Public holidays are not left out.",
    )

    def __init__(self, data: object = None) -> None:
        first, last = usual_period(timezone.localdate())
        super().__init__(data, initial={"first": first, "last": last})  # type: ignore[arg-type]


class PurposesForm(ImportForm):
    """One purpose for all keys, a CSV file with a purpose for each, or both: the file's has priority."""

    purpose = forms.CharField(
        required=False,
        label="Purpose of all these keys",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"max_length": "The purpose has %(show_value)d characters. The limit is 500."},
    )
    field_order = ("purpose", "file")

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.fields["file"].required = False
        self.fields["file"].label = "Or a CSV file with a purpose for each key"
        self.fields["file"].help_text = FILE_HELP

    def clean_purpose(self) -> str:
        return " ".join(self.cleaned_data["purpose"].split())

    def clean_file(self) -> str:
        return super().clean_file() if self.cleaned_data["file"] else ""

    def purposes(self, selection: Selection) -> dict[UUID, str]:
        """Return the purposes in the file by key. Raise ``ValidationError`` if a line fits no key."""
        text: str = self.cleaned_data["file"]
        if not text.strip():
            return {}
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
        start = next((n for n, row in enumerate(rows) if _has_purpose(row)), None)
        if start is None:
            raise forms.ValidationError("The first line of the file does not name a column “Purpose”.")
        header = [cell.strip().casefold() for cell in rows[start]]
        by_id, by_name = _keys_of(selection)
        found: dict[UUID, str] = {}
        for number, row in enumerate(rows[start + 1 :], start + 2):
            cells = dict(zip(header, (" ".join(cell.split()) for cell in row), strict=False))
            if purpose := cells.get(PURPOSE, ""):
                found[_key_of(cells, by_id, by_name, number)] = purpose
        return found


class BulkEditForm(OwnershipForm):
    """The values to set for all keys. Empty fields change nothing, and tags are added."""

    field_order = ("accountable", "team", "review_on", "tags")

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        for name in OWNERSHIP_FIELDS:
            if name not in self.field_order:
                self.fields[name].widget = forms.HiddenInput()
        self.fields["tags"].label = "Add tags"


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count)


def _has_purpose(row: list[str]) -> bool:
    return PURPOSE in {cell.strip().casefold() for cell in row}


def _keys_of(selection: Selection) -> tuple[dict[str, UUID], dict[str, list[UUID]]]:
    by_id: dict[str, UUID] = {}
    by_name: dict[str, list[UUID]] = {}
    for key_id, name in ApiKey.objects.filter(pk__in=selection.items.values("key")).values_list("pk", "name"):
        by_id[str(key_id)] = key_id
        by_name.setdefault(fold(name), []).append(key_id)
    return by_id, by_name


def _key_of(
    cells: dict[str, str], by_id: dict[str, UUID], by_name: dict[str, list[UUID]], number: int
) -> UUID:
    wanted = next((cells[name] for name in KEY_ID if cells.get(name)), "").lower()
    if wanted in by_id:
        return by_id[wanted]
    name = cells.get(NAME, "")
    named = [] if wanted else by_name.get(fold(name), [])
    if len(named) == 1:
        return named[0]
    problem = (
        "several selected keys have this name; add the column “Key id”" if named else "it is not selected"
    )
    raise forms.ValidationError(f"Line {number}, “{name or wanted}”: {problem}. Nothing was done.")
