"""Forms for the channels of notifications."""

from __future__ import annotations

from django import forms

from keys.rules.notifications import FOR_PEOPLE, ChannelKind

_KINDS = [(kind.value, kind.label) for kind in FOR_PEOPLE]


class EditChannelForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=60, error_messages={"required": "Enter a name, such as #security."}
    )
    kinds = forms.MultipleChoiceField(
        label="What it is told",
        choices=_KINDS,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one kind of notification."},
    )


class AddChannelForm(EditChannelForm):
    sort = forms.ChoiceField(label="Kind", choices=[(kind.value, kind.label) for kind in ChannelKind])
    url = forms.CharField(
        label="Address",
        max_length=2000,
        widget=forms.TextInput(attrs={"type": "url", "autocomplete": "off", "spellcheck": "false"}),
        help_text="It begins with https:// and is treated as a secret: nobody can read it here again.",
        error_messages={"required": "Enter the address that receives the notifications."},
    )
    field_order = ("name", "sort", "url", "kinds")
