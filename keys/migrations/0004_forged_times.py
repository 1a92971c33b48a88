"""How often an event was forged, beside the first of them. A column that may be empty keeps the table's triggers."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_append_only_audit")]

    operations = [
        migrations.AddField(
            model_name="treehead", name="forged_times", field=models.BigIntegerField(null=True)
        ),
    ]
