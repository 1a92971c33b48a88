"""The pages of a person's keys and tasks begin with the person or the tasks, not with all active keys."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.actions.rotation_tasks.assign import keep_rotation_tasks
from keys.models import RotationTask
from keys.selectors.inbox.calendar import _tasks_of
from keys.selectors.leavers.page import leaving_page
from keys.selectors.rotation.tasks import rotation_tasks_of
from tests.cast import a_key, actor

pytestmark = pytest.mark.only_on("sqlite")
ALL_ACTIVE_KEYS = {"key_by_status", "key_by_phase"}
"""The indexes of which a query that begins with the keys would read half."""


def indexes_of(act) -> str:
    """Run ``act``, and return how SQLite answers each query about tasks, or about the keys of one person."""
    with CaptureQueriesContext(connection) as captured:
        act()
    asked = [one["sql"] for one in captured if one["sql"].startswith("SELECT")]
    about = [sql for sql in asked if "rotationtask" in sql or '_id" = ' in sql.partition("WHERE")[2]]
    assert about
    with connection.cursor() as cursor:
        return " ".join(
            str(line) for sql in about for line in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        )


def test_a_person_or_a_task_leads(cast):
    key = a_key(cast.admin)
    RotationTask.objects.create(
        key=key,
        assigned=cast.admin,
        due_on=timezone.localdate(),
        asked_by=cast.admin,
        asked_at=timezone.now(),
    )
    me = actor(cast.admin)
    for act in (
        lambda: leaving_page(me, cast.admin.pk),
        lambda: rotation_tasks_of(me),
        lambda: _tasks_of(cast.admin),
        keep_rotation_tasks,
    ):
        plan = indexes_of(act)
        assert not [name for name in ALL_ACTIVE_KEYS if name in plan], plan
