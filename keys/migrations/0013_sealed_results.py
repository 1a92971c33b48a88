"""Protect the stored results of verifications with a MAC; the present ones get it now."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

from keys.audit.results import seal_of


def seal_results(apps: Any, _: Any) -> None:
    verifications = apps.get_model("keys", "Verification").objects
    for row in verifications.filter(finished_at__isnull=False).iterator():
        verifications.filter(pk=row.pk).update(seal=seal_of(row))


class Migration(migrations.Migration):
    dependencies = [("keys", "0012_one_way_forgeries")]

    operations = [
        migrations.AddField(
            model_name="verification",
            name="seal",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(seal_results, migrations.RunPython.noop),
    ]
