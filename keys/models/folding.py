"""Provide columns that contain another column's text, case-folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


class Folded(_Text):
    """The text of column ``source``, case-folded in any script, for sorting and comparing.

    It is a column because SQLite's LOWER handles only ASCII. ``save`` and ``bulk_create`` set it; code that
    changes ``source`` with ``update`` must set it too, with ``fold``.
    """

    def __init__(self, source: str, **options: Any) -> None:
        super().__init__(**{**options, "editable": False})
        self.source = source

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, [self.source, *args], options

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Compare by code point on every database, not by the database's locale."""
        collation = {"collation": "C"} if connection.vendor == "postgresql" else {}
        return super().db_parameters(connection) | collation

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: ARG002 - Django's signature
        folded = fold(getattr(model_instance, self.source))
        setattr(model_instance, self.attname, folded)
        return folded


def fold(text: str) -> str:
    return text.casefold()
