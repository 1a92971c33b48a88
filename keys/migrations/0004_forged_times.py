"""Count forged events in the tree's head. The new column is nullable, so the table's triggers stay."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_append_only_audit")]

    operations = [
        migrations.AddField(
            model_name="treehead", name="forged_times", field=models.BigIntegerField(null=True)
        ),
    ]
