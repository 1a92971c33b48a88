"""Fields that say who answers for a key and what it is for. The wizard and other forms inherit them."""

from __future__ import annotations

from typing import Any

from django import forms

from keys.models import ApiKey
from keys.rules.errors import Invalid
from keys.rules.lifecycle import AGENT_LIFE
from keys.validation.ownership import MOST_TAGS, TAG_LENGTH, Ownership, check_ownership, tags_in

NOT_SET = ("", "Not set")
OWNERSHIP_FIELDS = (*("accountable", "backup", "team", "system", "kind", "environment", "review_on", "tags"),)


class OwnershipForm(forms.Form):
    """After validation, ``ownership()`` returns the values."""

    accountable = forms.EmailField(
        label="Accountable person",
        required=False,
        help_text="Email of the person who answers for the key.",
    )
    backup = forms.EmailField(
        label="Backup", required=False, help_text="Email of the person to ask if the accountable one is away."
    )
    team = forms.CharField(label="Team", required=False, help_text="The team that uses the key.")
    system = forms.CharField(
        label="System", required=False, help_text="The software that uses it, such as BigQuery."
    )
    kind = forms.ChoiceField(
        label="Kind",
        required=False,
        choices=[NOT_SET, *ApiKey.Kind.choices],
        help_text="Who or what acts with the key. The key of an agent needs an accountable person, is valid "
        f"for at most {AGENT_LIFE.days} days, and must be saved in a vault.",
    )
    environment = forms.ChoiceField(
        label="Environment", required=False, choices=[NOT_SET, *ApiKey.Environment.choices]
    )
    review_on = forms.DateField(
        label="Review date",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="From this day on, the key is due for a review.",
    )
    tags = forms.CharField(
        label="Tags",
        required=False,
        help_text=f"Separated by commas. At most {MOST_TAGS}, with up to {TAG_LENGTH} characters each.",
    )

    def clean_accountable(self) -> str:
        return str(self.cleaned_data["accountable"]).lower()

    def clean_backup(self) -> str:
        return str(self.cleaned_data["backup"]).lower()

    def clean_team(self) -> str:
        return " ".join(self.cleaned_data["team"].split())

    def clean_system(self) -> str:
        return " ".join(self.cleaned_data["system"].split())

    def clean_tags(self) -> tuple[str, ...]:
        return tags_in(self.cleaned_data["tags"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors.keys() & set(OWNERSHIP_FIELDS):
            try:
                check_ownership(self.ownership())
            except Invalid as invalid:
                for field, sentence in invalid.fields.items():
                    self.add_error(field, sentence)
        return data

    def ownership(self) -> Ownership:
        return Ownership(**{name: self.cleaned_data[name] for name in OWNERSHIP_FIELDS})

    @property
    def has_ownership(self) -> bool:
        """Return whether one of the fields has a value or an error, so that the page shows them at once."""
        return any(self[name].value() or self[name].errors for name in OWNERSHIP_FIELDS)
