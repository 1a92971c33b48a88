"""Render filter fields like Django, but without a template for each option, which is slow."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class PlainInput(forms.TextInput):
    def render(self, name: str, value: Any, attrs: Any = None, *_: Any, **__: Any) -> SafeString:
        given = {"value": value} if value else {}
        drawn = self.build_attrs(
            self.attrs, {"type": self.input_type, "name": name, **given, **(attrs or {})}
        )
        return format_html("<input{}>", flatatt(drawn))


class PlainSelect(forms.Select):
    def render(self, name: str, value: Any, attrs: Any = None, *_: Any, **__: Any) -> SafeString:
        chosen = str(value or "")
        options = (
            (option, " selected" if str(option) == chosen else "", label) for option, label in self.choices
        )
        drawn = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        return format_html(
            "<select{}>{}</select>",
            flatatt(drawn),
            format_html_join("\n", '<option value="{}"{}>{}</option>', options),
        )
