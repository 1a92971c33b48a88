"""Define the forms of requests: why one asks, why one denies, and what one offers instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from keys.forms.new_key import EXPIRATIONS, ticked_scopes
from keys.models import AccessRequest
from keys.rules import scopes as catalogue
from keys.validation.text import REASON_LENGTH

AS_ASKED = ""


def reason_field(help_text: str) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        required=False,
        max_length=REASON_LENGTH,
        help_text=help_text,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ReasonForm(forms.Form):
    reason = reason_field("It is recorded in the audit log, with your name.")

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())


class AskForm(ReasonForm):
    """Why one needs approval, or, with a ticket, why one goes on without it."""

    ticket = forms.CharField(
        label="Ticket of the emergency",
        required=False,
        max_length=100,
        help_text="Only to go on without approval: all admins are told, and one of them reviews it.",
    )

    def clean_ticket(self) -> str:
        """Return the ticket if the person chose to go on alone, else nothing."""
        ticket = " ".join(self.cleaned_data["ticket"].split())
        if not self.data.get("alone"):
            return ""
        if not ticket:
            raise forms.ValidationError("Enter the ticket of the emergency.")
        return ticket


class OfferForm(ReasonForm):
    """A narrower key: some of its scopes, and a shorter time."""

    scopes = forms.MultipleChoiceField(required=False)
    lasts = forms.ChoiceField(
        label="Valid for",
        required=False,
        choices=[(AS_ASKED, "As asked for"), *((value, words) for value, (words, _) in EXPIRATIONS.items())],
    )
    field_order = ("lasts", "reason")

    def __init__(self, *args: Any, request: AccessRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = tuple(catalogue.CATALOGUE[scope] for scope in request.act["scopes"])
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(scope.id, scope.label) for scope in self.offered]

    def chosen(self) -> set[str]:
        return ticked_scopes(self) if self.is_bound else {scope.id for scope in self.offered}

    def length(self) -> timedelta | None:
        value = self.cleaned_data["lasts"]
        return EXPIRATIONS[value][1] if value else None
