"""Add the changes of scopes that are under way, or whose answer was lost."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0006_cerby_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScopeChange",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("after", models.JSONField()),
                ("lease", models.UUIDField(default=uuid.uuid4, null=True)),
                ("until", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scope_changes",
                        to="keys.apikey",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lease__isnull", False)),
                        fields=("key",),
                        name="scope_change_one_at_a_time",
                    )
                ],
            },
        ),
    ]
