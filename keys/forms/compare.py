"""Read the forms of the page that compares the inventory with Cerby's web app."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict

from keys.rules.pasted_dates import DayOrder
from keys.rules.pasted_table import LONGEST_TEXT

_ORDERS = (
    ("", "Let the portal decide"),
    (DayOrder.DAY_FIRST.value, "The day comes first: 11/12/2026 is 11 December"),
    (DayOrder.MONTH_FIRST.value, "The month comes first: 11/12/2026 is 12 November"),
)


_LINE = re.compile(r"\d{1,9}", re.ASCII)


class CompareForm(forms.Form):
    text = forms.CharField(
        label="Rows copied from Cerby's web app",
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false", "wrap": "off"}
        ),
        help_text="With or without the header. If the table has several pages, paste them one after another.",
        error_messages={
            "required": "Paste the rows of the table.",
            "max_length": "This is longer than 1 MB. Compare in several steps.",
        },
    )
    whole = forms.BooleanField(
        label="This is the whole table, with every page",
        required=False,
        help_text=(
            "The portal then also lists the live keys that the table lacks, and you can declare them as "
            "removed. Leave this empty if a filter or a search was on."
        ),
    )
    order = forms.ChoiceField(label="How does Cerby write dates for you?", choices=_ORDERS, required=False)

    withheld = 0
    """How many words were withheld as possible keys."""

    def day_order(self) -> DayOrder | None:
        chosen = self.cleaned_data["order"]
        return DayOrder(chosen) if chosen else None


def numbered(data: QueryDict, prefix: str) -> dict[int, str]:
    """Return the filled fields ``prefix`` + line number, by line number."""
    names = ((name, name.removeprefix(prefix)) for name in data if name.startswith(prefix))
    found = {int(line): " ".join(str(data[name]).split()) for name, line in names if _LINE.fullmatch(line)}
    return {line: value for line, value in found.items() if value}


def chosen_keys(data: QueryDict) -> Mapping[int, UUID]:
    return {line: key for line, value in numbered(data, "key-").items() if (key := _uuid(value))}


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
