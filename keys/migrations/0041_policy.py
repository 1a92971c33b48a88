"""Create the findings of the policy."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0040_agent_outside"),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rule", models.CharField(max_length=20)),
                ("since", models.DateTimeField()),
                ("due_on", models.DateField()),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="findings",
                        to="keys.apikey",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(models.F("rule"), models.F("due_on"), models.F("id"), name="finding_by_rule")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key", "rule"), name="finding_once_for_each_rule"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "rule__in",
                                [
                                    "longest-life",
                                    "purpose",
                                    "team",
                                    "system",
                                    "accountable",
                                    "backup",
                                    "vault",
                                    "review",
                                    "use",
                                ],
                            )
                        ),
                        name="finding_rule_is_known",
                    ),
                ],
            },
        ),
    ]
