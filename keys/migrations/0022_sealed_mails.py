"""Protect the rows that say what was mailed with a MAC; the present ones get it now."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

from keys.audit.results import seal_of_alert, seal_of_reminder

AT_ONCE = 500


def seal_mails(apps: Any, _: Any) -> None:
    for name, seal in (("Alert", seal_of_alert), ("Reminder", seal_of_reminder)):
        rows = apps.get_model("keys", name).objects
        after = 0
        while page := list(rows.filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
            for row in page:
                row.seal = seal(row)
            rows.bulk_update(page, ["seal"])
            after = page[-1].pk


class Migration(migrations.Migration):
    dependencies = [("keys", "0021_user_by_role")]

    operations = [
        *(
            migrations.AddField(
                model_name=name,
                name="seal",
                field=models.CharField(blank=True, default="", max_length=64),
                preserve_default=False,
            )
            for name in ("alert", "reminder")
        ),
        migrations.RunPython(seal_mails, migrations.RunPython.noop),
    ]
