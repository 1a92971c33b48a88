"""Define the form that plans keys in case their owner leaves."""

from __future__ import annotations

from django import forms

from keys.models import LeaverPlan
from keys.rules.leaving import NO_PLAN, Plan
from keys.validation.text import REASON_LENGTH


class LeavingForm(forms.Form):
    decision = forms.ChoiceField(
        label="Plan",
        choices=[("", "Choose"), *LeaverPlan.Decision.choices, (NO_PLAN, "No plan")],
        error_messages={"required": "Choose one of the plans."},
    )
    to = forms.EmailField(
        label="Next owner",
        required=False,
        widget=forms.EmailInput(attrs={"list": "next-owners", "autocomplete": "off"}),
        help_text="To rotate: the email of the person as whom the new key is to act.",
    )
    until = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="To keep: within the next 30 days.",
    )

    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=REASON_LENGTH,
        help_text="To keep: why they cannot be replaced sooner. A second person must approve it.",
    )

    def plan(self) -> Plan:
        data = self.cleaned_data
        return Plan(data["decision"], data["to"].lower(), data["until"])
