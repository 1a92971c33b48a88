"""Define the forms of reviews."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from keys.rules.reviews import CADENCES
from keys.validation.text import REASON_LENGTH

USUAL_DAYS = timedelta(days=14)
NAME_LENGTH = 100


class StartReviewForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH,
        help_text="Such as “Production keys, first quarter”.",
        error_messages={"required": "Enter a name."},
    )
    rationale = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="Why these keys are reviewed. It is recorded in the audit log.",
        error_messages={"required": "Say why, so that others understand the record."},
    )
    due_on = forms.DateField(
        label="Due on",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="After this day, undecided keys are escalated once. Seven days later they are not "
        "certified.",
        error_messages={"required": "Enter a day.", "invalid": "Enter a day."},
    )
    named = forms.CharField(
        label="Reviewers' emails",
        required=False,
        max_length=2000,
        help_text="If this is empty, the accountable person of each key reviews it, or else its backup, or "
        "else an admin. Nobody reviews a key that they own or requested.",
    )
    cadence = forms.TypedChoiceField(
        label="Repeat",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "Never"), *((days, f"Every {days} days") for days in CADENCES)],
    )
    query = forms.CharField(required=False, max_length=4000, widget=forms.HiddenInput)
    selection = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, **more: Any) -> None:
        super().__init__(data, **more)
        self.fields["due_on"].initial = timezone.localdate() + USUAL_DAYS

    def clean_named(self) -> tuple[str, ...]:
        emails = re.split(r"[\s,;]+", self.cleaned_data["named"].lower())
        return tuple(dict.fromkeys(filter(None, emails)))

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())

    def clean_rationale(self) -> str:
        return " ".join(self.cleaned_data["rationale"].split())


class MoveForm(forms.Form):
    """The answer "Not mine"."""

    to = forms.EmailField(
        label="Email of the reviewer",
        help_text="A person who can sign in to the portal, and neither owns nor requested the key.",
        error_messages={"required": "Enter an email address.", "invalid": "Enter an email address."},
    )
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="It is recorded in the audit log, with your name.",
        error_messages={"required": "Enter a reason."},
    )

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())


class WhyForm(forms.Form):
    """The sentence of a person who signs off a review, or who says that a decision was carried out."""

    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="It is recorded in the audit log, with your name.",
        error_messages={"required": "Enter a sentence."},
    )

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())
