"""The form that edits who answers for a key, its purpose and its note."""

from __future__ import annotations

from typing import Any

from django import forms

from keys.forms.new_key import cleaned_purpose, purpose_field
from keys.forms.ownership import OwnershipForm
from keys.models import ApiKey
from keys.validation.ownership import NOTE_LENGTH


class EditForm(OwnershipForm):
    """``version``: that of the values which the person saw."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    purpose = purpose_field()
    note = forms.CharField(
        label="Note",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=f"Anything else that people should know. At most {NOTE_LENGTH} characters. Never a secret.",
    )

    def __init__(self, data: Any = None, *, key: ApiKey) -> None:
        super().__init__(data, initial=_initial(key))
        if key.was_never_adopted:
            del self.fields["purpose"]

    def clean_purpose(self) -> str:
        return cleaned_purpose(self.cleaned_data)

    def clean_note(self) -> str:
        return " ".join(self.cleaned_data["note"].split())


def _initial(key: ApiKey) -> dict[str, Any]:
    names = ("team", "system", "kind", "environment", "review_on", "purpose", "note", "version")
    return {
        **{name: getattr(key, name) for name in names},
        "accountable": key.accountable_email,
        "backup": key.backup.email if key.backup else "",
        "tags": ", ".join(key.tags),
    }
