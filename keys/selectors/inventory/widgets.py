"""Render filter fields like Django, but without a template for each option, which is slow."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class ViewField(forms.IntegerField):
    """The number of the saved view that a person opened. It selects nothing: the other values do."""

    def __init__(self) -> None:
        super().__init__(required=False, min_value=1, max_value=2**63 - 1)


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
        labels = [
            label for _, choices in self._groups() for option, label in choices if str(option) in chosen
        ]
        said = f"{len(labels)} chosen" if len(labels) > 1 else labels[0] if labels else self.nothing
        return format_html(
            '<button class="choose" type="button" popovertarget="{0}-choices" data-nothing="{2}"{1}>{3}'
            '</button><div class="choices" id="{0}-choices" popover>{4}</div>',
            name,
            flatatt({**(attrs or {})}),
            self.nothing,
            said,
            format_html_join("\n", "{}{}", (self._group(name, chosen, *group) for group in self._groups())),
        )

    def _groups(self) -> list[tuple[str, list[tuple[Any, str]]]]:
        """Return the choices in groups. Those without a group are in one without a name."""
        choices: list[tuple[Any, Any]] = list(self.choices)
        if choices and isinstance(choices[0][1], list | tuple):
            return choices
        return [("", choices)]

    def _group(
        self, name: str, chosen: set[str], heading: str, choices: list[tuple[Any, str]]
    ) -> tuple[str, SafeString]:
        boxes = (
            (name, option, " checked" if str(option) in chosen else "", label) for option, label in choices
        )
        return (
            format_html("<b>{}</b>", heading) if heading else "",
            format_html_join(
                "\n",
                '<label class="check"><input type="checkbox" name="{}" value="{}"{}> {}</label>',
                boxes,
            ),
        )
