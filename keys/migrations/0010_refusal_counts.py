"""Add the counts of refusals that have no event yet, and the times of recent uses to the limits."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0009_nodes"),
    ]

    operations = [
        migrations.AddField(
            model_name="throttle",
            name="recent",
            field=models.JSONField(default=list),
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("waiting", models.PositiveIntegerField(default=1)),
                ("event", models.CharField(max_length=40)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("ip", models.CharField(blank=True, max_length=45)),
                ("browser", models.CharField(blank=True, max_length=200)),
                ("details", models.JSONField(default=dict)),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="keys.apikey",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("waiting__gt", 0)), name="refusal_count_waits")
                ],
            },
        ),
    ]
