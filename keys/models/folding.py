"""Provide columns that contain another column's text, folded for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from keys.rules.folded_text import fold

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


Row = TypeVar("Row", bound=models.Model)


class Folded(_Text):
    """The text of column ``source``, folded with ``fold``, for sorting, comparing and searching.

    It is a column because SQLite's LOWER handles only ASCII. ``save`` and ``bulk_create`` set it, and so does
    ``update`` of a ``FoldingQuerySet``.
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


class FoldingQuerySet(models.QuerySet[Row, Row]):
    """A query set whose ``update`` also sets the ``Folded`` columns of the columns that it sets."""

    def update(self, **columns: Any) -> int:
        for field in self.model._meta.concrete_fields:  # noqa: SLF001 - documented by Django
            if isinstance(field, Folded) and isinstance(columns.get(field.source), str):
                columns.setdefault(field.attname, fold(columns[field.source]))
        return super().update(**columns)
