"""Forms for keys that the portal did not make: paste, register, import, find."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any
from uuid import UUID

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import FileExtensionValidator
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables

from keys import cerby
from keys.forms.new_key import check_field, cleaned_purpose, in_zone, ticked_scopes
from keys.forms.ownership import OwnershipForm
from keys.rules import key_text
from keys.rules import scopes as catalogue
from keys.rules.errors import Busy, Invalid, Taken
from keys.rules.scopes import in_order
from keys.validation.existing_key import Registration, check_existing_name
from keys.validation.new_key import PURPOSE_LENGTH

LARGEST_IMPORT = 2 * 1024 * 1024

_SECRET_ATTRS = {"autocomplete": "off", "spellcheck": "false", "data-1p-ignore": "", "data-lpignore": "true"}
_DATE_ATTRS = {"type": "date"}


def refuse(form: forms.Form, invalid: Invalid) -> None:
    """Add the errors of ``invalid`` to the form, with a link to the key that has the name, if one has it.

    Errors of unknown fields go to the top.
    """
    if not invalid.fields:
        form.add_error(None, invalid.sentence)
    for field, sentence in invalid.fields.items():
        error = _with_link(sentence, invalid.by) if isinstance(invalid, Taken) else sentence
        form.add_error(field if field in form.fields else None, error)


def _with_link(sentence: str, key_id: UUID) -> str:
    return format_html(
        '{} <a href="{}">Show the other key</a>.', sentence, reverse("keys:key", args=[key_id])
    )


class ForgetfulTextarea(forms.Textarea):
    """A textarea that never shows its value again."""

    def format_value(self, value: Any) -> None:  # noqa: ARG002 - Django's signature
        return None


class SecretInput(forms.PasswordInput):
    """A masked field for a key's plain text that never shows its value again."""

    def __init__(self) -> None:
        super().__init__(attrs=_SECRET_ATTRS, render_value=False)


class _PlainTextForm(forms.Form):
    """The shared fields of the two forms that accept a key's plain text."""

    api_key = forms.CharField(
        label="API key",
        required=False,
        widget=SecretInput,
        help_text="The portal checks it against Cerby and keeps only its fingerprint.",
    )
    accept_less = forms.BooleanField(label="Continue anyway", required=False)

    @property
    def asks_to_accept(self) -> bool:
        return bool(self.errors.get("accept_less")) or bool(self["accept_less"].value())


class PasteForm(_PlainTextForm):
    save = forms.BooleanField(
        label="Also save it in Cerby",
        required=False,
        help_text="The secret belongs to the owner of the portal's API key and is shared with you.",
    )
    vault = forms.TypedChoiceField(label="Select vault", required=False, choices=[])

    def __init__(self, data: Any = None, *, vaults: Sequence[cerby.Vault]) -> None:
        super().__init__(data)
        self.can_save = bool(vaults)
        vault = self.fields["vault"]
        assert isinstance(vault, forms.ChoiceField)
        vault.choices = [(str(one.id), one.name) for one in vaults]
        if len(vaults) <= 1:  # like Cerby (published): with one vault there is nothing to select
            del self.fields["vault"]
        if not vaults:
            del self.fields["save"]

    @sensitive_variables()
    def clean_api_key(self) -> str:
        try:
            return key_text.check_key_text(self.cleaned_data["api_key"])
        except Invalid as invalid:
            raise forms.ValidationError(invalid.fields["api_key"]) from None


class RegisterForm(_PlainTextForm, OwnershipForm):
    name = forms.CharField(
        label="API key name", required=False, help_text="As Cerby shows it, 1 to 100 characters."
    )
    owner = forms.EmailField(
        label="Owner's email",
        max_length=254,
        help_text="The person who made the key in Cerby. The key acts as that person.",
        error_messages={"required": "Enter the email of the key's owner."},
    )
    purpose = forms.CharField(
        label="Purpose",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=f"Why this key is needed and what uses it. 1 to {PURPOSE_LENGTH} characters.",
    )
    expires_date = forms.DateField(
        label="Expires on",
        widget=forms.DateInput(attrs=_DATE_ATTRS, format="%Y-%m-%d"),
        error_messages={"required": "Enter the day on which the key expires."},
    )
    expires_time = forms.TimeField(
        label="Expires at",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="In your time zone. If empty, the start of that day.",
    )
    created = forms.DateField(
        label="Created on",
        required=False,
        widget=forms.DateInput(attrs=_DATE_ATTRS, format="%Y-%m-%d"),
        help_text="If you know it. If empty, the portal says that it is not known.",
    )
    scopes = forms.MultipleChoiceField(
        required=False,
        choices=[(scope.id, scope.label) for scope in catalogue.CATALOGUE.values()],
        error_messages={"invalid_choice": "“%(value)s” is not a scope that the portal knows."},
    )

    offered = tuple(catalogue.CATALOGUE.values())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["accountable"].help_text = "The owner, unless you enter the email of another person."

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        check_field(check_existing_name, name)
        return name

    def clean_purpose(self) -> str:
        return cleaned_purpose(self.cleaned_data)

    def clean_owner(self) -> str:
        return str(self.cleaned_data["owner"]).lower()

    def clean_scopes(self) -> list[str]:
        if not self.cleaned_data["scopes"]:
            raise forms.ValidationError("Select the scopes that Cerby shows for this key.")
        return in_order(self.cleaned_data["scopes"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("expires_date"):
            try:
                data["expires_at"] = moment_of(data["expires_date"], data.get("expires_time") or time.min)
            except forms.ValidationError as error:
                self.add_error("expires_time", error)
        return data

    def chosen(self) -> set[str]:
        return ticked_scopes(self)

    def registration(self) -> Registration:
        """Return the cleaned data as a ``Registration``."""
        data = self.cleaned_data
        created = data.get("created")
        return Registration(
            name=data["name"],
            owner_email=data["owner"],
            purpose=data["purpose"],
            expires_at=data["expires_at"],
            scopes=tuple(data["scopes"]),
            created_at=moment_of(created, time.min) if created else None,
            ownership=self.ownership(),
        )


def moment_of(day: Any, at: time) -> datetime:
    zone = zoneinfo.ZoneInfo(timezone.get_current_timezone_name())
    return in_zone(datetime.combine(day, at), zone)


class ImportForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        validators=[
            FileExtensionValidator(
                ["csv", "tsv", "txt"],
                "The name of the file does not end in .csv, .tsv or .txt. Save the table as “CSV UTF-8” and "
                "try again.",
            )
        ],
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        help_text="At most 5,000 keys and 2 MB, in UTF-8, UTF-16 or Windows-1252.",
        error_messages={"required": "Choose a CSV file.", "empty": "The file is empty."},
    )

    is_windows_1252 = False
    """Whether the file was read as Windows-1252, which Excel's “CSV” is in Western Europe."""

    def clean_file(self) -> str:
        """Return the file's text."""
        upload: UploadedFile[Any] = self.cleaned_data["file"]
        if (upload.size or 0) > LARGEST_IMPORT:
            raise forms.ValidationError("The file is larger than 2 MB. Split it into smaller files.")
        if getattr(upload, "no_room", False):
            raise Busy("Too many files are being uploaded at this moment. Choose the file again in a minute.")
        upload.seek(0)  # the form may be cleaned twice
        content = upload.read()
        encoding = key_text.encoding_of(content)
        if not encoding.startswith("utf-16"):
            self.is_windows_1252 = key_text.is_windows_1252(content)
            encoding = "cp1252" if self.is_windows_1252 else "utf-8-sig"
        try:
            text = str(content, encoding)
        except UnicodeDecodeError:
            raise forms.ValidationError(
                "The file is damaged UTF-8, or in another encoding. Save it as “CSV UTF-8” and try again."
            ) from None
        before, found, _ = text.partition("\0")
        if found:
            raise forms.ValidationError(
                f"Line {before.count(chr(10)) + 1} contains the character NUL, which no name has. Remove "
                "it, or save the table as “CSV UTF-8” again."
            )
        return text


class FindForm(forms.Form):
    """The result page shows a new form, so that it does not repeat the input."""

    text = forms.CharField(
        label="Suspicious text",
        required=False,
        max_length=100_000,
        widget=ForgetfulTextarea(attrs={**_SECRET_ATTRS, "rows": 4}),
        help_text="A key, or a log line, configuration or message that contains one.",
        error_messages={"max_length": "This is longer than 100,000 characters. Upload it as a file."},
    )
    file = forms.FileField(
        label="Or a file",
        required=False,
        help_text="A text, a ZIP, gzip or tar archive, or a Word or Excel file, at most 10 MB. The portal "
        "searches it in memory and never stores it.",
        error_messages={"empty": "The file is empty."},
    )

    def clean_file(self) -> UploadedFile[Any] | None:
        upload: UploadedFile[Any] | None = self.cleaned_data["file"]
        if upload is None:
            return None
        if (upload.size or 0) > key_text.LARGEST_FILE:
            raise forms.ValidationError("The file is larger than 10 MB. Split it into smaller files.")
        if getattr(upload, "no_room", False):
            raise Busy("Too many files are being searched at this moment. Choose the file again in a minute.")
        return upload

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and not data.get("text") and not data.get("file"):
            self.add_error("text", "Paste some text or choose a file.")
        return data

    def keep_input(self) -> None:
        """Show the pasted text once more, because it was not searched."""
        self.fields["text"].widget = forms.Textarea(attrs=self.fields["text"].widget.attrs)
