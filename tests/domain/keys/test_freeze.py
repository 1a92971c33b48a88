"""Freeze a long list of keys: others may write meanwhile, and nobody finds a part of a list."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict

from keys.actions.bulk import freeze
from keys.actions.bulk.start import start_bulk
from keys.models import Selection
from keys.rules.errors import NotFound
from tests import cast as people
from tests.pages.helpers import many_keys
from tests.support.own_database import Address, rows


class Crash(Exception):
    pass


def test_a_long_list_is_written_in_several_transactions(workspace, database: Address, monkeypatch):
    admin = people.people_in_portal(workspace.ids).admin
    many_keys(admin, 5)
    monkeypatch.setattr(freeze, "WRITTEN_AT_ONCE", 2)
    committed: list[tuple[int, int]] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "keys_selectedkey"'):
            (keys,) = rows(database, "SELECT count(*) FROM keys_selectedkey")
            (count,) = rows(database, "SELECT coalesce(max(count), -1) FROM keys_selection")
            committed.append((keys[0], count[0]))
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        selection = freeze.freeze_matching(people.actor(admin), QueryDict())
    assert committed == [(0, 0), (2, 0), (4, 0)]
    assert rows(database, "SELECT count FROM keys_selection") == [(5,)]
    assert list(selection.items.order_by("position").values_list("position", flat=True)) == [0, 1, 2, 3, 4]


def test_a_part_of_a_list_is_no_list(workspace, database: Address, monkeypatch):
    admin = people.people_in_portal(workspace.ids).admin
    many_keys(admin, 5)
    monkeypatch.setattr(freeze, "WRITTEN_AT_ONCE", 2)
    inserts: list[str] = []

    def crash(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "keys_selectedkey"'):
            inserts.append(sql)
            if len(inserts) > 1:
                raise Crash
        return execute(sql, *rest)

    actor = people.actor(admin)
    with pytest.raises(Crash), connection.execute_wrapper(crash):
        freeze.freeze_matching(actor, QueryDict())
    part = Selection.objects.get()
    assert part.items.count() == 2
    with pytest.raises(NotFound):
        start_bulk(actor, part.pk, Selection.Act.REMIND, lambda _: None)
    monkeypatch.setattr(freeze, "LISTS_KEPT", 1)
    whole = freeze.freeze_matching(actor, QueryDict())
    assert Selection.objects.get() == whole
