"""Parse the filters of the inventory as of a past time, and apply them to one key at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.validators import MinValueValidator
from django.http import QueryDict
from django.utils import timezone

from keys.models import ApiKey, fold
from keys.rules.lifecycle import Status
from keys.selectors.inventory.conditions import ANY_WRITE
from keys.selectors.inventory.filters import InventoryForm

FIELDS = ("at", "q", "status", "scope", "owner", "origin", "after")
"""The other filters ask for values that the audit log does not have, or that mean something only now."""


EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Near the start of the calendar, a time in some time zones does not exist in UTC."""


class PastForm(InventoryForm):
    """``at``: the time, in the reader's zone. If empty, the present time."""

    at = forms.DateTimeField(
        required=False,
        label="As of",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Enter a day and a time."},
        validators=[MinValueValidator(EARLIEST, "Enter a time after 1999.")],
    )

    def __init__(self, params: QueryDict) -> None:
        super().__init__(params)
        for name in self.fields.keys() - set(FIELDS):
            del self.fields[name]

    def clean_at(self) -> Any:
        at = self.cleaned_data["at"]
        if at is not None and at > timezone.now():
            raise forms.ValidationError("This time is in the future.")
        return at or timezone.now()

    def in_words(self) -> str:
        chosen = {name: self.cleaned_data[name] for name in FIELDS[1:-1] if self.cleaned_data[name]}
        said = [
            f"{name}={' '.join(each) if isinstance(each, list) else each}" for name, each in chosen.items()
        ]
        return ", ".join([f"as of {self.cleaned_data['at']:%Y-%m-%d %H:%M %Z}", *said])


def meets(key: Mapping[str, Any], chosen: dict[str, Any]) -> bool:
    """Return whether a key met the filters ``chosen``. ``key`` has the values of a ``KeyAsOf``."""
    text = fold(" ".join((key["name"], key["owner_email"], key["purpose"], *key["scopes"])))
    status, wanted = Status(key["status"].lower()), chosen["status"]
    return (
        all(word in text for word in fold(chosen["q"]).split())
        and (status.value == wanted if wanted else status is not Status.FAILED)
        and (not chosen["scope"] or any(_has(key["scopes"], scope) for scope in chosen["scope"]))
        and (not chosen["owner"] or key["owner_email"].lower() in chosen["owner"])
        and (not chosen["origin"] or key["origin"] == ApiKey.Origin(chosen["origin"]).label)
    )


def _has(scopes: list[str], wanted: str) -> bool:
    if wanted == ANY_WRITE:
        return any(not scope.startswith("read:") for scope in scopes)
    return wanted in scopes
