"""Forms about people: a person to add, and the reason for an action."""

from __future__ import annotations

from django import forms

from keys.forms.new_key import check_field
from keys.validation.text import REASON_LENGTH, check_reason


class AddPersonForm(forms.Form):
    email = forms.EmailField(
        label="Email",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="The address that the person has in Cerby.",
        error_messages={"required": "Enter an email address.", "invalid": "Enter an email address."},
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": REASON_LENGTH}),
        help_text="It is recorded in the audit log, with your name.",
    )

    def clean_reason(self) -> str:
        reason = " ".join(self.cleaned_data["reason"].split())
        check_field(check_reason, reason)
        return reason
