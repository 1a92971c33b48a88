"""A download is recorded while others write to the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from keys.actions.audit import export_csv
from keys.models import AuditEvent, User
from keys.selectors.activity import table
from keys.selectors.inventory import exports
from tests.databases import SQLITE


def write_elsewhere() -> None:
    """Commit through another connection, unless it would have to wait."""
    name = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(name, timeout=0)) as other, suppress(sqlite3.OperationalError):
        other.execute("UPDATE keys_treehead SET leader = NULL")
        other.commit()


@pytest.mark.only_on(SQLITE)  # PostgreSQL has no single writer
def test_a_worker_that_writes_meanwhile_does_not_fail_a_download(kept, monkeypatch):
    read = table.activity_export

    def read_then_let_others_write(*args: Any) -> exports.Export:
        export = read(*args)
        write_elsewhere()
        return export

    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 2)  # the statement has more rows than were read
    monkeypatch.setattr(export_csv, "activity_export", read_then_let_others_write)
    before = AuditEvent.objects.count()
    now = timezone.now()
    User.objects.update(added_at=now, role_checked_at=now, is_active=True)
    actor = User.objects.get(email="admin@contenzilla.example").as_actor()
    export = export_csv.export_activity(actor, QueryDict())
    assert len(list(export.rows)) == export.count == before
