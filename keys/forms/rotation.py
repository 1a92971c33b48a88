"""The forms that rotate a key, and that end, extend or call off a rotation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from keys.forms.new_key import CUSTOM, DetailsForm, ScopesForm
from keys.models import ApiKey, LeaverPlan, Rotation
from keys.rules import formatting
from keys.rules.rotation import OVERLAPS, USUAL_OVERLAP, Because, Rotating, name_of_next, quiet_after
from keys.validation.new_key import NAME_LENGTH
from keys.validation.text import REASON_LENGTH


class RotateForm(ScopesForm, DetailsForm):
    """The new key of a rotation: its own name, expiry and scopes, and the values that it takes from ``old``.

    ``dropped``: scopes of the old key that no new key can have.
    """

    because = forms.ChoiceField(
        label="Reason",
        choices=[(each.value, each.label) for each in Because],
        initial=Because.SCHEDULED,
        help_text="If the key may have leaked, do not wait: the page of the rotation has Kill now.",
    )
    overlap = forms.ChoiceField(
        label="Overlap",
        choices=[(value, words) for value, (words, _) in OVERLAPS.items()],
        initial=USUAL_OVERLAP,
        help_text="How long both keys work, from the moment at which the new one is stored. It ends no later "
        "than the old key expires.",
    )

    def __init__(self, *args: Any, old: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.old = old
        quiet = quiet_after(old.gaps.longest_known, old.last_used_at, timezone.now())
        self.fields[
            "overlap"
        ].help_text += f" The old key counts as quiet when it was not used for {formatting.duration(quiet)}."
        available = {scope.id for scope in self.offered}
        self.dropped = [scope for scope in old.scopes if scope not in available]
        if old.scopes:  # if nobody knows them, any scope may be among them
            self.offered = tuple(scope for scope in self.offered if scope.id in old.scopes)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(scope.id, scope.label) for scope in self.offered]
        field.error_messages["invalid_choice"] = (
            "A rotation can remove scopes, not add any. Choose from the scopes of the old key."
        )

    def chosen(self) -> set[str]:
        return super().chosen() if self.is_bound else {scope.id for scope in self.offered}

    def rotating(self) -> Rotating:
        data = self.cleaned_data
        return Rotating(self.old.pk, Because(data["because"]), OVERLAPS[data["overlap"]][1])


def _is_planned(old: ApiKey) -> bool:
    """Return whether the plan for a leaver asks for the rotation."""
    return LeaverPlan.objects.filter(key=old, decision=LeaverPlan.Decision.ROTATE).exists()


def usual_values(old: ApiKey) -> dict[str, Any]:
    """Return the values that the form has at first: those of the old key, and a life as long as its own."""
    now = timezone.now()
    life = min(old.expires_at - old.created_at, timedelta(days=settings.PORTAL_MAX_LIFETIME_DAYS))
    expires = formatting.in_local_time(now + life)
    people = {
        "accountable": "" if old.accountable_left_at else old.accountable_email,
        "backup": old.backup.email if old.backup and old.backup.left_at is None else "",
    }
    return {
        "name": name_of_next(old.name, (old.generation or 1) + 1, longest=NAME_LENGTH),
        "purpose": old.purpose,
        "because": Because.LEAVER if old.owner_left_at or _is_planned(old) else Because.SCHEDULED,
        "expiration": CUSTOM,
        "expires_date": expires.date(),
        "expires_time": expires.time().replace(second=0, microsecond=0),
        **people,
        **{name: getattr(old, name) for name in ("team", "system", "kind", "environment", "review_on")},
        "tags": ", ".join(old.tags),
    }


def _reason(help_text: str, *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        required=required,
        max_length=REASON_LENGTH,
        help_text=help_text,
        error_messages={"required": "Say why, so that others understand the record."},
    )


class RetireForm(forms.Form):
    without_proof = forms.BooleanField(label="Retire it although it may still be needed", required=False)
    reason = _reason("Why nothing needs the old key any more.", required=False)


class KillForm(forms.Form):
    reason = _reason("Such as where the key was found.")
    stops = forms.BooleanField(
        label="Software that still uses the old key stops working at once",
        error_messages={"required": "Tick this box to kill the key."},
    )


class ExtendForm(forms.Form):
    overlap = forms.ChoiceField(
        label="New overlap",
        choices=[(value, words) for value, (words, length) in OVERLAPS.items() if length],
        initial="24h",
        help_text="Counted from now.",
        error_messages={"invalid_choice": "That is not later than the present end. Choose from the list."},
    )
    reason = _reason("Why the old key is needed for longer.")

    def __init__(self, *args: Any, rotation: Rotation, **kwargs: Any) -> None:
        """Offer only the lengths that end later than now, and no later than the old key."""
        super().__init__(*args, **kwargs)
        field, now = self.fields["overlap"], timezone.now()
        assert isinstance(field, forms.ChoiceField)
        choices = []
        for value, (words, length) in OVERLAPS.items():
            if not length:
                continue
            if now + length >= rotation.old.expires_at:
                choices.append((value, "Until the old key expires"))
                break
            if now + length > rotation.overlap_until:
                choices.append((value, words))
        field.choices = choices

    def length(self) -> timedelta:
        return OVERLAPS[self.cleaned_data["overlap"]][1]


class CallOffForm(forms.Form):
    stops = forms.BooleanField(
        label="The new key is deleted, and software that uses it already stops working",
        error_messages={"required": "Tick this box to call the rotation off."},
    )
    reason = _reason("Why the old key stays.")
