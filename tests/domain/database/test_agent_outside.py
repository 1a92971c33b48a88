"""Test the migration that marks the keys of agents outside the rules, in a database with keys."""

from __future__ import annotations

import uuid
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from keys.models import ApiKey, KeyTag
from tests.cast import MEMBERS, a_key, people_in_portal

OPERATIONS = import_module("keys.migrations.0040_agent_outside").Migration.operations


def marked() -> set[str]:
    return set(ApiKey.objects.filter(agent_outside__isnull=False).values_list("name", flat=True))


@pytest.mark.usefixtures("database")
def test_the_keys_of_agents_are_marked_and_the_triggers_stay():
    cast = people_in_portal({name: str(uuid.uuid4()) for name in MEMBERS})
    a_key(cast.admin, name="Robot", kind="agent", stored_in="", tags=["etl"])
    a_key(cast.admin, name="Nightly", kind="workload", stored_in="")
    after = ProjectState.from_apps(apps)
    before = after.clone()
    del before.models["keys", "apikey"].fields["agent_outside"]
    indexes = before.models["keys", "apikey"].options["indexes"]
    indexes[:] = [index for index in indexes if index.name != "key_agent_outside"]
    with connection.schema_editor() as editor:
        for operation in reversed(OPERATIONS):
            operation.database_backwards("keys", editor, after, before)
    with connection.schema_editor() as editor:
        for operation in OPERATIONS:
            operation.database_forwards("keys", editor, before, after)
    assert marked() == {"Robot"}
    a_key(cast.admin, name="Later", tags=["new"])
    assert set(KeyTag.objects.values_list("tag", flat=True)) == {"etl", "new"}
