"""Read the form for the last use and the expiry that a person read in Cerby's web app."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from keys.forms.new_key import in_zone


def _day(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget)


def _time(label: str) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="In your time zone. If empty, the start of that day.",
    )


class ReadingForm(forms.Form):
    """After validation, ``cleaned_data`` has ``last_used_moment`` and ``expires_date_moment``."""

    last_used = _day("Last used on")
    last_used_time = _time("Last used at")
    never_used = forms.BooleanField(label="Cerby says that it was never used", required=False)
    expires_date = _day("Expires on")
    expires_time = _time("Expires at")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for day, at in (("last_used", "last_used_time"), ("expires_date", "expires_time")):
            if data.get(at) and not data.get(day) and day not in self.errors:
                self.add_error(day, "Enter the day too.")
            data[f"{day}_moment"] = self._moment(data.get(day), data.get(at) or time.min, at)
        return data

    def _moment(self, day: Any, at: time, field: str) -> datetime | None:
        if not day:
            return None
        zone = zoneinfo.ZoneInfo(timezone.get_current_timezone_name())
        try:
            return in_zone(datetime.combine(day, at), zone)
        except forms.ValidationError as error:
            self.add_error(field, error)
            return None
