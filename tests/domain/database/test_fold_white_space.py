"""Test the migration that folds white space, and that names that differ only in it are the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from keys.actions.keys.register import register_key
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, SavedView, SearchDocument
from keys.rules.errors import Invalid, Taken
from keys.rules.lifecycle import State
from keys.selectors.key.imports import plan
from keys.validation import new_key
from keys.validation.existing_key import Registration
from tests.cast import a_key, actor, with_a_life

migration = import_module("keys.migrations.0033_fold_white_space")
BY_HAND: dict[str, Any] = {"cerby_id": None, "origin": "declared", "holds_name": 1}


def earlier(key: ApiKey, **columns: str) -> ApiKey:
    """Give the row the folding of the version before."""
    ApiKey.objects.filter(pk=key.pk).update(**columns)
    return key


def migrate() -> None:
    editor = SimpleNamespace(connection=connection)
    migration.fold_keys(apps, editor)
    migration.fold_views(apps, editor)


def orders(*keys: ApiKey) -> list[str]:
    return [ApiKey.objects.get(pk=key.pk).name_order for key in keys]


def test_texts_are_folded_again_page_by_page(cast, monkeypatch):
    monkeypatch.setattr(migration, "BATCH", 2)
    names = [f"Key  {number}" for number in range(5)]
    keys = [
        earlier(
            a_key(cast.owner, name=name, team="Data  team"), name_order=name.lower(), team_order="data  team"
        )
        for name in names
    ]
    migrate()
    assert orders(*keys) == [f"key {number}" for number in range(5)]
    assert ApiKey.objects.filter(team_order="data team").count() == 5
    assert SearchDocument.objects.filter(text__startswith=" key 0 ").count() == 1


def test_names_that_become_equal_break_no_constraint(cast, capsys):
    first = a_key(cast.owner, name="Made here")
    second = earlier(a_key(cast.owner, name="Made  there"), name="Made  here", name_order="made  here")
    kept = a_key(cast.admin, name="By hand", **BY_HAND)
    double = earlier(a_key(cast.admin, name="By  foot", **BY_HAND), name="By  hand", name_order="by  hand")
    ended = earlier(
        a_key(cast.owner, name="Gone", state=State.REVOKED, removed_at=timezone.now()),
        name="Made   here",
        name_order="made   here",
    )
    migrate()
    assert orders(first, second, kept, double, ended) == [
        *("made here", "made  here", "by hand", "by hand", "made here")
    ]
    assert set(ApiKey.objects.filter(holds_name=1)) == {kept}
    assert f"/keys/{double.pk}/" in capsys.readouterr().out
    for name in ("MADE HERE", "Made  here"):
        with pytest.raises(Invalid):
            new_key.check_name(name)


def test_a_name_that_kept_its_folding_is_no_damage(cast):
    key = with_a_life(a_key(cast.owner, name="Made here"))
    name = key.name.replace(" ", "  ")
    ApiKey.objects.filter(pk=key.pk).update(name=name, name_order=name.lower())
    assert [words for _, words in contradictions() if "name_order" in words] == []


def test_views_that_become_equal_get_a_number(cast):
    for name in ("My view", "My  view"):
        view = SavedView.objects.create(
            user=cast.admin, page="inventory", name=name[:2] + name[-1], query="q=ab"
        )
        SavedView.objects.filter(pk=view.pk).update(name=name, name_order=name.lower())
    migrate()
    assert list(SavedView.objects.order_by("pk").values_list("name", "name_order")) == [
        ("My view", "my view"),
        ("My  view (2)", "my view (2)"),
    ]


def test_a_second_registration_or_import_of_a_name_with_other_spaces_is_refused(cast, sandbox):
    a_key(cast.owner, name="Nightly export", **BY_HAND)
    someone = actor(cast.admin)
    spaced = Registration(
        "Nightly \N{NO-BREAK SPACE}EXPORT",
        cast.owner.email,
        "P",
        datetime(2099, 1, 1, tzinfo=UTC),
        ("read:users",),
    )
    with pytest.raises(Taken):
        register_key(someone, spaced)
    lines = [
        f"{name},{cast.owner.email},2099-01-01,P,read:users"
        for name in ("nightly  export", "New  one", "New one")
    ]
    found = plan(someone, "\n".join(["name,owner,expires,purpose,scopes", *lines]))
    assert [line.problem for line in found.lines] == [
        "The inventory already has a key with this name and owner.",
        "",
        "Line 3 already declares a key with this name and owner.",
    ]
