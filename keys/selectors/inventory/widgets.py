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


class PlainChoices(forms.SelectMultiple):
    """A button that opens a box of checkboxes. It names the choice, or says ``nothing`` if there is none."""

    def __init__(self, nothing: str) -> None:
        super().__init__()
        self.nothing = nothing

    def render(self, name: str, value: Any, attrs: Any = None, *_: Any, **__: Any) -> SafeString:
        chosen = {str(each) for each in value or ()}
        labels = [label for option, label in self.choices if str(option) in chosen]
        said = f"{len(labels)} chosen" if len(labels) > 1 else labels[0] if labels else self.nothing
        boxes = (
            (name, option, " checked" if str(option) in chosen else "", label)
            for option, label in self.choices
        )
        return format_html(
            '<button class="choose" id="{0}" type="button" popovertarget="{0}-choices" data-nothing="{1}">{2}'
            '</button><div class="choices" id="{0}-choices" popover>{3}</div>',
            (attrs or {}).get("id", f"id_{name}"),
            self.nothing,
            said,
            format_html_join(
                "\n",
                '<label class="check"><input type="checkbox" name="{}" value="{}"{}> {}</label>',
                boxes,
            ),
        )
