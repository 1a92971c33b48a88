"""What is asked of whoever looks after the record: a period for an evidence pack, a word on damage."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

QUARTER = timedelta(days=90)

_DAY: dict[str, Any] = {
    "widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    # Near either end of the calendar, a day's start in some zone is no time in UTC.
    "validators": [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
}


def _a_quarter_ago() -> date:
    return timezone.localdate() - QUARTER


class EvidenceForm(forms.Form):
    """Days are the reader's, and both belong to the period."""

    since = forms.DateField(label="From", initial=_a_quarter_ago, **_DAY)
    until = forms.DateField(label="To", initial=timezone.localdate, **_DAY)
    as_of = forms.DateTimeField(
        label="As of",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        validators=[
            MinValueValidator(lambda: start_of(date(2000, 1, 1))),
            MaxValueValidator(lambda: start_of(date(2999, 12, 31))),
        ],
        help_text="The keys, roles and rules as they were at this time. Empty: as they are now.",
    )

    def period(self) -> tuple[datetime, datetime, datetime | None]:
        """From when, to before when, and as of when; the last may be None."""
        chosen = self.cleaned_data
        return start_of(chosen["since"]), start_of(chosen["until"] + timedelta(days=1)), chosen["as_of"]


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


class ExplanationForm(forms.Form):
    """``verification`` is the one whose damage was looked at."""

    verification = forms.IntegerField(widget=forms.HiddenInput)
    explanation = forms.CharField(
        label="What came of looking into it",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why the record is as it is, and who knows of it. It becomes part of the record.",
    )

    def clean_explanation(self) -> str:
        return " ".join(self.cleaned_data["explanation"].split())
