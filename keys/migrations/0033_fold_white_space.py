"""Fold names and other texts again, because a run of white space in them now compares as one space.

Only rows whose folding differs are written. Keys are read in pages, so memory does not grow with their number.
"""

import sys
from collections.abc import Iterator
from typing import Any

from django.db import migrations

from keys.rules.folded_text import fold

FOLDED = {
    "name_order": "name",
    "owner_order": "owner_name",
    "purpose_order": "purpose",
    "team_order": "team",
    "system_order": "system",
    "accountable_order": "accountable_name",
}
BATCH = 2_000
MOST_NAMED = 20
LONGEST_NAME = 60
GENERATED = {
    "origin__in": ("generated", "pasted"),
    "state__in": ("requested", "awaited", "calling", "ready", "claimed", "held"),
}
"""The condition of constraint key_name_is_unique_while_in_use."""
HELD = {"holds_name__isnull": False, "state__in": ("claimed", "held", "ready")}
"""The condition of constraint key_registered_once."""


def fold_keys(apps: Any, schema_editor: Any) -> None:
    """Fold the texts of all keys.

    If two generated keys in use have the same name now, the second keeps the folding that it has. If two
    registered keys of one owner have, the second holds its name no longer, and the command says so.
    """
    keys = apps.get_model("keys", "ApiKey").objects.using(schema_editor.connection.alias)
    double = []
    for pk, owner, changed in _changed(keys):
        name, own = changed.get("name_order"), keys.filter(pk=pk)
        if (
            name is not None
            and keys.filter(name_order=name, **GENERATED).exists()
            and own.filter(**GENERATED).exists()
        ):
            del changed["name_order"]
        elif (
            name is not None
            and keys.filter(name_order=name, owner=owner, **HELD).exists()
            and own.filter(**HELD).exists()
        ):
            changed["holds_name"] = None
            double.append(pk)
        own.update(**changed)
    if double:
        sys.stdout.write(
            f"\n  {len(double)} registered keys have the name and owner of another key in use, apart from white "
            "space. Check whether they are the same key, and withdraw the one too many:\n"
        )
        sys.stdout.writelines(f"    /keys/{pk}/\n" for pk in double[:MOST_NAMED])


def _changed(keys: Any) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    """Yield the id, the owner and the new foldings of each key that has some."""
    columns = (*FOLDED, *FOLDED.values())
    rows = keys.order_by("pk").values_list("pk", "owner_id", *columns)
    page = list(rows[:BATCH])
    while page:
        for pk, owner, *values in page:
            row = dict(zip(columns, values, strict=True))
            folded = {column: fold(row[source]) for column, source in FOLDED.items()}
            changed = {column: value for column, value in folded.items() if value != row[column]}
            if changed:
                yield pk, owner, changed
        page = list(rows.filter(pk__gt=page[-1][0])[:BATCH])


def fold_views(apps: Any, schema_editor: Any) -> None:
    """Fold the names of saved views. If two become equal, the second gets a number."""
    views = apps.get_model("keys", "SavedView").objects.using(schema_editor.connection.alias)
    for view in views.order_by("id").iterator(chunk_size=BATCH):
        among = views.filter(page=view.page, shared=view.shared).exclude(pk=view.pk)
        among = among if view.shared else among.filter(user=view.user_id)
        name, number = view.name, 1
        while fold(name) != view.name_order and among.filter(name_order=fold(name)).exists():
            number += 1
            end = f" ({number})"
            name = f"{view.name[: LONGEST_NAME - len(end)]}{end}"
        if fold(name) != view.name_order:
            views.filter(pk=view.pk).update(name=name, name_order=fold(name))


class Migration(migrations.Migration):
    dependencies = [("keys", "0032_waiting_jobs")]

    operations = [
        migrations.RunPython(fold_keys, migrations.RunPython.noop),
        migrations.RunPython(fold_views, migrations.RunPython.noop),
    ]
