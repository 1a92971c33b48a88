"""Forms of the wizard's two pages, and of a discovered key."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from keys.crypto import seal
from keys.forms.ownership import OwnershipForm
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid
from keys.rules.time_zones import known_zone
from keys.validation import new_key
from keys.validation.agents import check_agent
from keys.validation.new_key import NO_TAB_KEY, KeyRequest
from keys.validation.text import tidy

CUSTOM = "custom"
EXPIRATIONS: dict[str, tuple[str, timedelta]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "12h": ("12 hours", timedelta(hours=12)),
    "1d": ("1 day", timedelta(days=1)),
    "5d": ("5 days", timedelta(days=5)),
    "1y": ("1 year", timedelta(days=365)),
}
"""Cerby's choices, in Cerby's order (published)."""


def check_field(rule: Callable[..., None], *values: Any) -> None:
    """Run a rule of keys.validation and turn its error into a ``ValidationError``."""
    try:
        rule(*values)
    except Invalid as invalid:
        raise forms.ValidationError(next(iter(invalid.fields.values()))) from invalid


def purpose_field() -> forms.CharField:
    return forms.CharField(
        label="Purpose",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why this key is needed and what uses it. Everyone who reviews the key sees this.",
    )


def cleaned_purpose(data: dict[str, Any]) -> str:
    """Return the purpose on one line. Raise ``ValidationError`` if it breaks a rule."""
    purpose = " ".join(data["purpose"].split())
    check_field(new_key.check_purpose, purpose)
    return purpose


class AdoptForm(forms.Form):
    """The purpose of a key that was discovered in Cerby."""

    purpose = purpose_field()

    def clean_purpose(self) -> str:
        return cleaned_purpose(self.cleaned_data)


class DetailsForm(OwnershipForm):
    """Step 1. After validation, ``cleaned_data["expires_at"]`` is an aware datetime.

    In assisted mode no key is sealed to a browser tab, so there is no tab key.
    """

    id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    tab_key = forms.CharField(widget=forms.HiddenInput, required=False)
    time_zone = forms.CharField(widget=forms.HiddenInput, required=False)
    name = forms.CharField(
        label="API key name",
        strip=True,
        required=False,
        help_text="A name that tells others what the key is for. 1 to 100 characters.",
    )
    expiration = forms.ChoiceField(
        label="Expiration time",
        choices=[*((value, words) for value, (words, _) in EXPIRATIONS.items()), (CUSTOM, "Custom")],
        error_messages={"invalid_choice": "Select one of the expiration times in the list."},
    )
    expires_date = forms.DateField(
        label="Date", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    expires_time = forms.TimeField(
        label="Time", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    purpose = purpose_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["accountable"].help_text = "You, unless you enter the email of another person."
        if settings.CERBY_ISSUE_MODE == "assisted":
            del self.fields["tab_key"]

    def clean_name(self) -> str:
        name = tidy(self.cleaned_data["name"])
        check_field(new_key.check_name, name, self.cleaned_data.get("id"))
        return name

    def clean_purpose(self) -> str:
        return cleaned_purpose(self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not data.get("id"):
            self.add_error(None, "The form was sent without its id. Choose Start over.")
        if "expiration" in data:
            try:
                data["expires_at"] = self._expires_at(data)
                check_field(new_key.check_expiry, data["expires_at"], timezone.now())
            except forms.ValidationError as error:
                self.add_error(self._expiry_field(data), error)
        if "expires_at" in data and not self.errors:
            try:
                check_agent(self.ownership(), data["expires_at"], timezone.now())
            except Invalid as invalid:
                for field, sentence in invalid.fields.items():
                    self.add_error(self._expiry_field(data) if field == "expiration" else field, sentence)
        return data

    def shown_field(self, name: str) -> str | None:
        """Return the field beside which an error stands: that of the chosen expiry, or None for the top."""
        if name == "expiration":
            return self._expiry_field(self.cleaned_data)
        return name if name in self.fields else None

    def _expiry_field(self, data: dict[str, Any]) -> str:
        return "expires_date" if data["expiration"] == CUSTOM else "expiration"

    def _expires_at(self, data: dict[str, Any]) -> datetime:
        if data["expiration"] != CUSTOM:
            return timezone.now() + EXPIRATIONS[data["expiration"]][1]
        if not data.get("expires_date") or not data.get("expires_time"):
            raise forms.ValidationError("Enter both a date and a time.")
        local = datetime.combine(data["expires_date"], data["expires_time"])
        return in_zone(local, self.zone())

    def zone(self) -> zoneinfo.ZoneInfo:
        """Return the time zone that the page sent: the one that the person chose, or the browser's.

        If the browser knows none, return the reader's.

        Step 2 shows the expiry with its zone, so that a person notices if it is not theirs.
        """
        names = (self.data.get("time_zone", ""), timezone.get_current_timezone_name())
        return next(filter(None, map(known_zone, names)), zoneinfo.ZoneInfo("UTC"))


def in_zone(local: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """Return the wall-clock time ``local`` as an aware datetime.

    Raise ``ValidationError`` for a time that a clock change skips or repeats.
    """
    earlier, later = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if earlier.utcoffset() == later.utcoffset():
        return earlier
    exists = earlier.astimezone(zoneinfo.ZoneInfo("UTC")).astimezone(zone).replace(tzinfo=None) == local
    happens = "twice" if exists else "never"
    raise forms.ValidationError(
        f"On that day the clocks change in {zone.key}, and {local:%H:%M} happens {happens}. "
        "Choose a time one hour earlier or later."
    )


def ticked_scopes(form: forms.Form) -> set[str]:
    """Return the ticked scopes, valid or not, to tick them again."""
    return set(form.data.getlist("scopes")) if isinstance(form.data, MultiValueDict) else set()


class ScopesForm(forms.Form):
    """Step 2."""

    scopes = forms.MultipleChoiceField(
        required=False,
        error_messages={"invalid_choice": "“%(value)s” is not an available scope. Choose from the list."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = catalogue.offered(settings.PORTAL_EXTRA_SCOPES)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(scope.id, scope.label) for scope in self.offered]

    def clean_scopes(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["scopes"]
        check_field(new_key.check_scopes, chosen)
        return catalogue.in_order(chosen)

    def chosen(self) -> set[str]:
        return ticked_scopes(self)


def length_of(details: DetailsForm) -> timedelta | None:
    """Return how long the key is to be valid, or None if the person chose a time at which it expires."""
    chosen = details.cleaned_data["expiration"]
    return None if chosen == CUSTOM else EXPIRATIONS[chosen][1]


def request_of(details: DetailsForm, scopes: ScopesForm) -> KeyRequest:
    """Combine both valid pages into one request.

    Raise ``Invalid`` if the form needs a tab key and it is missing or damaged.
    """
    data = details.cleaned_data
    return KeyRequest(
        id=data["id"],
        name=data["name"],
        purpose=data["purpose"],
        expires_at=data["expires_at"],
        scopes=tuple(scopes.cleaned_data["scopes"]),
        tab_key=seal.parse_tab_key(data["tab_key"]) if "tab_key" in details.fields else NO_TAB_KEY,
        ownership=details.ownership(),
    )
