"""The form of a policy: the mode and the values of each rule, and the tier of each scope."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from keys.rules import scopes as catalogue
from keys.rules.policy.document import Mode, Name, Policy, Rule, Shape
from keys.rules.policy.entries import EXAMPLES, tidy
from keys.rules.policy.tiers import TIERS, Tier
from keys.rules.policy.written import (
    COLUMNS,
    LONGEST,
    MOST,
    MOST_APPROVALS,
    SCHEMA,
    NotAPolicyError,
    read,
    write,
)
from keys.validation.text import REASON_LENGTH

_MODES = [(mode.value, mode.label) for mode in Mode]
_TIERS = [(tier.name.lower(), tier.label) for tier in (Tier.LOW, Tier.MEDIUM, Tier.HIGH)]
_UNITS = {Shape.DAYS: "days"}


@dataclass(frozen=True)
class FormRow:
    """One rule in the form. It has ``values`` by tier, or ``entries``."""

    name: Name
    unit: str
    mode: BoundField
    values: list[tuple[str, BoundField]]
    entries: BoundField | None

    @property
    def has_errors(self) -> bool:
        return any(field.errors for field in (self.mode, *(value for _, value in self.values)))


class PolicyForm(forms.Form):
    """After validation, ``document()`` returns the policy as JSON."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in Name:
            self.fields[f"{name}_mode"] = forms.ChoiceField(label=f"Mode of “{name.label}”", choices=_MODES)
            if name.shape is Shape.ENTRIES:
                self.fields[f"{name}_entries"] = forms.CharField(
                    label=f"“{name.label}”, one on each line",
                    required=False,
                    widget=forms.Textarea(attrs={"rows": 2}),
                    help_text=f"Such as: {EXAMPLES[name]}",
                )
                continue
            for column in COLUMNS:
                self.fields[f"{name}_{column}"] = _value_field(name, column)
        for scope in TIERS:
            self.fields[f"tier_{scope}"] = forms.ChoiceField(label=catalogue.label(scope), choices=_TIERS)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in Name:
            field = f"{name}_entries"
            for entry in _lines(data.get(field, "")):
                try:
                    tidy(name, entry)
                except ValueError as error:
                    self.add_error(field, str(error))
                    break
        if not self.errors:
            try:
                read(self._json())
            except NotAPolicyError as error:
                self.add_error(None, str(error))
        return data

    def document(self) -> str:
        return write(read(self._json()))

    def _json(self) -> str:
        data = self.cleaned_data
        rules: dict[str, Any] = {}
        for name in Name:
            rule = {"mode": data[f"{name}_mode"]}
            if name.shape is Shape.ENTRIES:
                rule["entries"] = _lines(data[f"{name}_entries"])
            else:
                rule |= {column: data[f"{name}_{column}"] for column in COLUMNS}
            rules[name.value] = rule
        tiers = {scope: data[f"tier_{scope}"] for scope in TIERS}
        return json.dumps({"schema": SCHEMA, "rules": rules, "tiers": tiers})

    def rows(self) -> Iterator[FormRow]:
        for name in Name:
            has_entries = name.shape is Shape.ENTRIES
            yield FormRow(
                name,
                _UNITS.get(name.shape, ""),
                self[f"{name}_mode"],
                [] if has_entries else [(_label(column), self[f"{name}_{column}"]) for column in COLUMNS],
                self[f"{name}_entries"] if has_entries else None,
            )

    def tiers(self) -> list[BoundField]:
        return [self[f"tier_{scope}"] for scope in TIERS]


def initial_of(policy: Policy) -> dict[str, Any]:
    """Return the values of the form for ``policy``."""
    found: dict[str, Any] = {f"tier_{scope}": tier.name.lower() for scope, tier in policy.tiers.items()}
    for name, rule in policy.rules.items():
        found[f"{name}_mode"] = rule.mode.value
        if name.shape is Shape.ENTRIES:
            found[f"{name}_entries"] = "\n".join(rule.entries)
        else:
            found |= {f"{name}_{column}": _of(rule, column) for column in COLUMNS}
    return found


def _of(rule: Rule, column: str) -> Any:
    return rule.agent if column == "agent" else rule.tiers.get(Tier[column.upper()])


def _label(column: str) -> str:
    return "Agent" if column == "agent" else Tier[column.upper()].label


def _value_field(name: Name, column: str) -> forms.Field:
    label = f"“{name.label}”, {_label(column).lower()}"
    if name.shape is Shape.NEEDED:
        return forms.BooleanField(label=label, required=False)
    most = MOST_APPROVALS if name is Name.APPROVALS else MOST[name.shape]
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=most,
        widget=forms.NumberInput(attrs={"class": "number"}),
        error_messages={
            each: f"{_label(column)}: a whole number from 1 to {most:,}, or empty."
            for each in ("invalid", "min_value", "max_value")
        },
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class PolicyFileForm(forms.Form):
    """A policy as JSON, to fill the form with: a file, or the text that the page of a preview sends back."""

    file = forms.FileField(
        label="JSON file",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
        help_text="A policy that was exported, or a file of the same form. You see who would break it first.",
        error_messages={"empty": "The file is empty."},
    )
    document = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        try:
            data["policy"] = read(self._text(data))
        except (NotAPolicyError, UnicodeDecodeError) as error:
            said = str(error) if isinstance(error, NotAPolicyError) else "This file is not a text in UTF-8."
            self.add_error("file", said)
        return data

    def _text(self, data: dict[str, Any]) -> str:
        upload = data.get("file")
        if upload is None:
            return str(data.get("document", ""))
        return bytes(upload.read(LONGEST + 1)).decode("utf-8-sig")


class ProposeForm(forms.Form):
    document = forms.CharField(widget=forms.HiddenInput, max_length=LONGEST)
    seen = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="Why the organisation changes the policy. It stands in the audit log.",
        error_messages={"required": "Say why, so that others understand the record."},
    )


class DeclineForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        error_messages={"required": "Say why, so that its author understands."},
    )
