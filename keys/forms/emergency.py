"""Define the form that selects the keys to stop in an emergency."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from keys.models import ApiKey
from keys.validation.ownership import TEAM_LENGTH

KINDS = {"vendor": ApiKey.Kind.VENDOR, "agent": ApiKey.Kind.AGENT}
BY = [("team", "A team"), ("system", "A system"), ("vendor", "A vendor"), ("agent", "An agent")]


class EmergencyForm(forms.Form):
    """After validation, ``params()`` returns the query strings of the inventory that find the keys."""

    by = forms.ChoiceField(label="Stop the keys of", choices=BY)
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=TEAM_LENGTH,
        help_text="The team or the system. For vendors and agents, the system that they use. If it is empty, "
        "all vendors or agents are stopped.",
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("by") in {"team", "system"} and not data.get("name"):
            self.add_error("name", "Enter the name of the team or system.")
        return data

    def params(self) -> list[QueryDict]:
        """Return one for the keys in use, and one for the requests for new keys."""
        return [self._with_status(status) for status in ("active", "pending")]

    def _with_status(self, status: str) -> QueryDict:
        found = QueryDict(mutable=True)
        by, name = self.cleaned_data["by"], self.cleaned_data["name"]
        if by in KINDS:
            found["kind"] = KINDS[by]
        if name:
            found["team" if by == "team" else "system"] = name
        found["status"] = status
        return found
