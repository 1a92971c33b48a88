"""Forms for auditors: the period of an evidence pack, and the explanation of damage."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

QUARTER = timedelta(days=90)

_DAY: dict[str, Any] = {
    "widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    # Near the ends of the calendar, the start of a day in some zones is out of range in UTC.
    "validators": [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
}


def _quarter_ago() -> date:
    return timezone.localdate() - QUARTER


class EvidenceForm(forms.Form):
    """Days are in the reader's time zone, and the period includes both."""

    since = forms.DateField(label="From", initial=_quarter_ago, **_DAY)
    until = forms.DateField(label="To", initial=timezone.localdate, **_DAY)
    as_of = forms.DateTimeField(
        label="As of",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        validators=[
            MinValueValidator(lambda: start_of(date(2000, 1, 1))),
            MaxValueValidator(lambda: start_of(date(2999, 12, 31))),
        ],
        help_text="The keys, roles and rules as they were at this time. If empty, as they are now.",
    )

    def period(self) -> tuple[datetime, datetime, datetime | None]:
        """Return the start, the exclusive end, and the "as of" time, which may be None."""
        chosen = self.cleaned_data
        return start_of(chosen["since"]), start_of(chosen["until"] + timedelta(days=1)), chosen["as_of"]


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


class ExplanationForm(forms.Form):
    """``verification`` is the id of the verification whose damage is explained."""

    verification = forms.IntegerField(widget=forms.HiddenInput)
    explanation = forms.CharField(
        label="Explanation",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why the audit log is damaged, and who knows about it. This text is added to the log.",
    )

    def clean_explanation(self) -> str:
        return " ".join(self.cleaned_data["explanation"].split())
