"""Test the migration that folds the names of saved filters, which become saved views."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

from django.apps import apps
from django.db import connection

from keys.models import SavedView

migration = import_module("keys.migrations.0023_saved_views")


def test_names_that_are_equal_now_get_a_number_and_none_is_lost(cast):
    names = ["Trouble", "TROUBLE", "trouble (2)", "Straße", "STRASSE", "x" * 60, "X" * 60]
    for number, name in enumerate(names):
        SavedView.objects.create(user=cast.admin, page="activity", name=f"{number}", query="outcome=refused")
        SavedView.objects.filter(name=f"{number}").update(name=name)
    SavedView.objects.create(user=cast.owner, page="activity", name="Trouble", query="outcome=failed")
    migration.fold_names(apps, SimpleNamespace(connection=connection))
    assert [view.name for view in SavedView.objects.order_by("pk")] == [
        *("Trouble", "TROUBLE (2)", "trouble (2) (2)", "Straße", "STRASSE (2)"),
        *("x" * 60, f"{'X' * 56} (2)", "Trouble"),
    ]
    assert SavedView.objects.filter(name_order="strasse (2)").count() == 1
