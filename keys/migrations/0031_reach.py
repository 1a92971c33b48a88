"""Count the items that people own in Cerby, and mark keys that can open more than when they were made."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0030_factor_asked")]

    operations = [
        migrations.CreateModel(
            name="Reach",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reach",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("secrets", models.PositiveIntegerField(null=True)),
                ("accounts", models.PositiveIntegerField(null=True)),
                ("collections", models.PositiveIntegerField(null=True)),
                ("teams", models.PositiveIntegerField(null=True)),
                ("items", models.JSONField(default=dict)),
                ("salt", models.CharField(max_length=32)),
                ("counted_at", models.DateTimeField(null=True)),
                ("tried_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(models.F("due_at"), name="reach_by_due")]},
        ),
        migrations.AddField(model_name="apikey", name="reach_since", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="apikey", name="reach_grew_at", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                *(models.F(name) for name in ("phase", "expires_at", "id", "reach_grew_at", "listed")),
                condition=models.Q(("reach_grew_at__isnull", False)),
                name="key_reach_grew",
            ),
        ),
    ]
