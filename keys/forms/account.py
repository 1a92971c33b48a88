"""Form of Your account: the time zone."""

from __future__ import annotations

from typing import Any

from django import forms

from keys.rules.time_zones import by_region


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        error_messages={"invalid_choice": "Choose one of the time zones in the list."},
    )

    def __init__(self, *args: Any, browser: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        of_browser = f"That of the browser: {browser}" if browser else "That of the browser"
        self.fields["time_zone"].choices = [("", of_browser), *by_region()]  # type: ignore[attr-defined]
