"""The forms that correct a registered key, or withdraw its registration."""

from __future__ import annotations

from datetime import time
from typing import Any

from django import forms

from keys.forms.existing_key import moment_of
from keys.forms.new_key import check_field
from keys.models import ApiKey
from keys.rules import formatting
from keys.validation.existing_key import check_existing_name
from keys.validation.ownership import REASON_LENGTH


def _reason(help_text: str) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text=help_text,
        error_messages={"required": "Say why, so that others understand the record."},
    )


class CorrectForm(forms.Form):
    """``version``: that of the values which the person saw."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    name = forms.CharField(label="API key name", help_text="As Cerby shows it.")
    owner = forms.EmailField(label="Owner's email", help_text="The person who made the key in Cerby.")
    expires_date = forms.DateField(
        label="Expires on", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    expires_time = forms.TimeField(
        label="Expires at",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="In your time zone. If empty, the start of that day.",
    )
    reason = _reason("Why the registered values were wrong.")

    def __init__(self, data: Any = None, *, key: ApiKey) -> None:
        local = formatting.in_local_time(key.expires_at)
        initial = {"name": key.name, "owner": key.owner_email, "version": key.version}
        initial |= {
            "expires_date": local.date(),
            "expires_time": local.time().replace(second=0, microsecond=0),
        }
        super().__init__(data, initial=initial)
        self._key, self._shown = key, (initial["expires_date"], initial["expires_time"])

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        check_field(check_existing_name, name)
        return name

    def clean_owner(self) -> str:
        return str(self.cleaned_data["owner"]).lower()

    def clean(self) -> dict[str, Any]:
        """Set "expires_at". If the person did not change it, its seconds stay as they are."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("expires_date"):
            entered = (data["expires_date"], data.get("expires_time") or time.min)
            try:
                data["expires_at"] = self._key.expires_at if entered == self._shown else moment_of(*entered)
            except forms.ValidationError as error:
                self.add_error("expires_time", error)
        return data


class WithdrawForm(forms.Form):
    """``whole`` is offered for a key that came with an import."""

    reason = _reason("Such as: imported the wrong file.")
    whole = forms.BooleanField(label="Withdraw all keys of the same import", required=False)

    def __init__(self, data: Any = None, *, key: ApiKey) -> None:
        super().__init__(data)
        if key.imported_in is None:
            del self.fields["whole"]
