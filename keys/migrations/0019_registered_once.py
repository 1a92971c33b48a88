"""Let the database refuse a second registration of a key, and mark the keys of unknown creation date."""

from __future__ import annotations

import sys
from typing import Any

from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q

from keys.migrations._vendor import AddColumn

IN_USE = ["claimed", "held", "ready"]
REGISTERED = ["declared", "registered"]
AT_ONCE = 500
MOST_NAMED = 20


def hold_names(apps: Any, schema_editor: Any) -> None:
    """Let each registered key hold its name, unless its owner has several keys of that name in use.

    Such keys stay as they are. The command says which they are, and so does each key's page.
    """
    keys = apps.get_model("keys", "ApiKey").objects.using(schema_editor.connection.alias)
    in_use = keys.filter(state__in=IN_USE, listed__isnull=False)
    same = in_use.filter(name_order=OuterRef("name_order"), owner=OuterRef("owner")).exclude(
        pk=OuterRef("pk")
    )
    registered = keys.filter(state__in=IN_USE, origin__in=REGISTERED)
    registered.filter(~Exists(same)).update(holds_name=1)
    double = list(registered.filter(Exists(same)).order_by("name_order", "pk").values_list("pk", "name"))
    if double:
        sys.stdout.write(
            f"\n  {len(double)} registered keys have the name and owner of another key in use. "
            "Check whether they are the same key, and withdraw the one too many:\n"
        )
        for pk, name in double[:MOST_NAMED]:
            sys.stdout.write(f"    /keys/{pk}/ {name!r}\n")


def mark_unknown_creation(apps: Any, schema_editor: Any) -> None:
    """Find the keys that were registered without a creation date.

    They have the moment of their registration, to the microsecond, instead of the minute or second that a
    person entered. Discovered keys have Cerby's, even after somebody has registered their value.
    """
    alias = schema_editor.connection.alias
    keys = apps.get_model("keys", "ApiKey").objects.using(alias)
    events = apps.get_model("keys", "AuditEvent").objects.using(alias)
    rows = keys.filter(origin__in=REGISTERED).values_list("pk", "created_at")
    precise = [pk for pk, at in rows.iterator(chunk_size=AT_ONCE) if at.microsecond]
    for start in range(0, len(precise), AT_ONCE):
        batch = precise[start : start + AT_ONCE]
        found = events.filter(type="key:discover", key_id__in=batch).values_list("key_id", flat=True)
        keys.filter(pk__in=set(batch) - set(found)).update(created_known=False)
    if schema_editor.connection.vendor == "postgresql":  # else no index can be created in this transaction
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("keys", "0018_bulk_actions")]

    operations = [
        AddColumn("apikey", "created_known", models.BooleanField(default=True), "bool NOT NULL DEFAULT 1"),
        migrations.AddField("apikey", "holds_name", models.PositiveSmallIntegerField(null=True)),
        migrations.RunPython(hold_names, migrations.RunPython.noop),
        migrations.RunPython(mark_unknown_creation, migrations.RunPython.noop),
        migrations.AddConstraint(
            "apikey",
            models.UniqueConstraint(
                name="key_registered_once",
                fields=("owner", "name_order"),
                condition=Q(("holds_name__isnull", False), ("state__in", IN_USE)),
            ),
        ),
    ]
