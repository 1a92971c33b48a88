"""The form of a saved view: its name, and who sees it."""

from __future__ import annotations

from typing import Any

from django import forms


class SavedViewForm(forms.Form):
    """``may_share``: whether the person may share a view. ``ids``: the start of the ids of the fields.

    The view's content is the page's query string.

    ``keys.validation.saved_view`` checks the name.
    """

    name = forms.CharField(label="Name of the view", required=False)
    shared = forms.BooleanField(
        label="Share it", required=False, help_text="Everybody who may open this page sees it."
    )

    def __init__(self, data: Any = None, *, may_share: bool, ids: str = "view", **kwargs: Any) -> None:
        super().__init__(data, auto_id=f"{ids}_%s", **kwargs)
        if not may_share:
            del self.fields["shared"]
