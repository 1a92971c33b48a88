"""The form that asks for an exception from the policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from keys.models.policy_exception import MOST_DAYS
from keys.rules.policy.violations import Violation
from keys.validation.text import REASON_LENGTH


class ExceptionForm(forms.Form):
    rule = forms.ChoiceField(
        label="Rule", error_messages={"invalid_choice": "Choose a rule that the key does not meet."}
    )
    days = forms.IntegerField(
        label="Days",
        min_value=1,
        max_value=MOST_DAYS,
        initial=30,
        help_text=f"How long the key may stay outside the rule: at most {MOST_DAYS} days. Then it ends.",
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), f"Enter a whole number from 1 to {MOST_DAYS}."
        ),
    )
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="Why the key cannot meet the rule yet, and until when it will.",
        error_messages={"required": "Say why, so that others understand the record."},
    )

    def __init__(self, *args: Any, violations: Iterable[Violation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rule"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(each.rule.value, f"{each.rule.label}: {each.words}") for each in violations]
