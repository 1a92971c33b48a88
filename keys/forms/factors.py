"""Forms about second factors: a code, the answer of a passkey, and a passkey's name."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

CODE = forms.TextInput(
    attrs={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false", "maxlength": 40}
)
MISSING = "Enter the code."


class CodeForm(forms.Form):
    """The code of an authenticator app."""

    code = forms.CharField(
        label="Code from your authenticator app",
        max_length=40,
        widget=forms.TextInput(CODE.attrs | {"inputmode": "numeric"}),
        error_messages={"required": MISSING},
    )


class AnyCodeForm(forms.Form):
    """The code of an authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code from your authenticator app, or a recovery code",
        max_length=40,
        widget=CODE,
        error_messages={"required": MISSING},
    )


class RecoveryCodeForm(forms.Form):
    """The recovery code of a person without an authenticator app."""

    code = forms.CharField(
        label="Recovery code", max_length=40, widget=CODE, error_messages={"required": MISSING}
    )


class _AnswerField(forms.JSONField):
    """JSON from a browser. Django's field lets errors about deep nesting and long numbers through."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


class PasskeyForm(forms.Form):
    """The answer of the browser, as JSON that static/passkey.js makes."""

    credential = _AnswerField(widget=forms.HiddenInput)


class NameForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="So that you recognise it, such as “Laptop” or “Key on my keyring”.",
        error_messages={"required": "Enter a name."},
    )


class NewPasskeyForm(NameForm, PasskeyForm):
    """The name, and the answer of the browser."""
