"""Test the migration that takes withdrawn registrations off the list, in a database with keys."""

from __future__ import annotations

import uuid
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from keys.models import ApiKey, SearchDocument
from keys.rules.lifecycle import State
from tests.cast import MEMBERS, a_key, people_in_portal

[MIGRATED] = import_module("keys.migrations.0026_withdrawn_is_not_listed").Migration.operations
BEFORE = models.GeneratedField(
    expression=models.Case(models.When(state__in=["refused", "absent"], then=None), default=models.Value(1)),
    output_field=models.PositiveSmallIntegerField(null=True),
    db_persist=True,
)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "keys_apikey"))


def listed() -> set[str]:
    return set(ApiKey.objects.filter(listed__isnull=False).values_list("name", flat=True))


@pytest.mark.usefixtures("database")
def test_withdrawn_keys_are_taken_off_the_list_and_nothing_is_lost():
    cast = people_in_portal({name: str(uuid.uuid4()) for name in MEMBERS})
    a_key(cast.admin, name="Live", tags=["etl"])
    a_key(cast.admin, name="Mistake", origin="declared", cerby_id=None, state=State.WITHDRAWN)
    after = ProjectState.from_apps(apps)
    before = after.clone()
    before.models["keys", "apikey"].fields["listed"] = BEFORE
    had = indexes()
    with connection.schema_editor() as editor:
        MIGRATED.database_backwards("keys", editor, after, before)
    assert listed() == {"Live", "Mistake"}
    with connection.schema_editor() as editor:
        MIGRATED.database_forwards("keys", editor, before, after)
    assert listed() == {"Live"}
    assert indexes() == had
    assert ApiKey.objects.count() == 2
    assert ApiKey.objects.filter(tagged__tag="etl").count() == 1
    a_key(cast.admin, name="Later")  # the triggers work
    assert SearchDocument.objects.count() == 3
