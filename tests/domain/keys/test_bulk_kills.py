"""Kill a worker after each SQL statement of a bulk deletion: another one finishes it, and no key is lost."""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as portal
from django.db import OperationalError, connection
from django.http import QueryDict
from django.test import override_settings
from django.utils import timezone

from keys.actions.bulk.as_started import record_start
from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.bulk.freeze import freeze_ticked
from keys.actions.bulk.start import start_bulk
from keys.models import ApiKey, SelectedKey, Selection
from keys.selectors.bulk.selection import running_lists
from keys.validation.ownership import Ownership
from tests import cast as people
from tests.cast import a_live_key
from tests.support.background import story_of
from tests.support.killing import KILLED, Countdown, _in_a_process
from tests.support.own_database import Address
from tests.support.script import answer_of

STEP, STATEMENTS = 4, 68
"""A worker is killed after every fourth of its statements, and in the last round not at all."""


def work(last: int, task: dict[str, Any]) -> None:
    with (
        override_settings(**task["settings"]),
        connection.execute_wrapper(Countdown(last, os.devnull).sql),
    ):
        for selection_id in running_lists():
            carry_out_bulk(selection_id)


def begin(selection: str, last: int, task: dict[str, Any]) -> None:
    Selection.objects.filter(pk=UUID(selection)).update(started_at=timezone.now(), act="delete")
    made = Selection.objects.get(pk=UUID(selection))
    record_start(made, made.as_actor())
    work(last, task)


def go_on(task: dict[str, Any]) -> None:
    """Let another worker continue when the claim of the dead one has expired."""
    SelectedKey.objects.filter(working_until__isnull=False).update(working_until=timezone.now())
    work(0, task)


def run(task: dict[str, Any]) -> list[bool]:
    """Return for each round whether the worker was killed. Each round has a list of one key."""
    killed = []
    for number, selection in enumerate(task["lists"]):
        last = number * STEP + 1
        ended = _in_a_process(task, partial(begin, selection, last, task))
        killed.append(ended == KILLED)
        _in_a_process(task, lambda: go_on(task))
    return killed


def test_no_key_is_deleted_twice_and_none_is_forgotten(workspace, database: Address):
    cast = people.people_in_portal(workspace.ids)
    admin = people.actor(cast.admin)
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    keys = [a_live_key(workspace.sandbox, cast.user)[0] for _ in range(STATEMENTS // STEP)]
    lists = [str(freeze_ticked(admin, [key.pk], QueryDict()).pk) for key in keys]
    task = {"database": str(database), "settings": to_cerby, "lists": lists}
    killed = answer_of(f"{__name__}:run", task)
    assert killed[0]
    assert not killed[-1], "there are more statements than this test looks at"
    assert set(SelectedKey.objects.values_list("outcome", flat=True)) == {"done"}
    assert not Selection.objects.filter(finished_at=None).exists()
    assert {tuple(story_of(key)) for key in keys} == {("key:start-delete", "key:delete")}
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"revoked"}


def test_a_key_is_not_given_up_while_the_database_is_away(cast):
    """The worker cannot know whether the database is away for one statement or for an hour."""
    key = people.with_a_life(people.a_key(cast.user))
    selection = freeze_ticked(people.actor(cast.owner), [key.pk], QueryDict())
    tags = Ownership(tags=("reviewed",))
    start_bulk(people.actor(cast.owner), selection.pk, Selection.Act.EDIT, print, ownership=tags)

    def lose(execute: Any, sql: str, *rest: Any) -> Any:
        if 'INSERT INTO "keys_auditevent"' in sql:
            cause = sqlite3.OperationalError("database is locked")
            cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise OperationalError from cause
        return execute(sql, *rest)

    with connection.execute_wrapper(lose), pytest.raises(OperationalError):
        carry_out_bulk(selection.pk)
    assert selection.items.get().outcome == SelectedKey.Outcome.WORKING
    selection.items.update(working_until=timezone.now())
    carry_out_bulk(selection.pk)
    assert selection.items.get().outcome == SelectedKey.Outcome.DONE
    assert ApiKey.objects.get(pk=key.pk).tags == ["reviewed"]
