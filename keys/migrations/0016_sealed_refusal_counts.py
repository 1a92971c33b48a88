"""Protect the counts of refusals with a MAC, because events are made of them; the present ones get it now."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

from keys.audit.results import seal_of_count


def seal_counts(apps: Any, _: Any) -> None:
    counts = apps.get_model("keys", "RefusalCount").objects
    for row in list(counts.all()):
        counts.filter(pk=row.pk).update(seal=seal_of_count(row))


class Migration(migrations.Migration):
    dependencies = [("keys", "0015_ownership")]

    operations = [
        migrations.AddField(
            model_name="refusalcount",
            name="seal",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(seal_counts, migrations.RunPython.noop),
    ]
