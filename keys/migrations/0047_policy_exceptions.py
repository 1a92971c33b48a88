"""Store exceptions from the policy, which always end."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0046_withdrawn_rotation_tasks"),
    ]

    operations = [
        migrations.CreateModel(
            name="PolicyException",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("rule", models.CharField(max_length=20)),
                ("reason", models.CharField(max_length=300)),
                ("days", models.PositiveSmallIntegerField()),
                ("asked_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a decision"),
                            ("granted", "Granted"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("verdict", models.CharField(blank=True, max_length=300)),
                ("ends_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy_exceptions",
                        to="keys.apikey",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(models.F("state"), models.F("asked_at"), name="exception_by_state"),
                    models.Index(models.F("key"), models.F("rule"), name="exception_by_key"),
                ],
                "constraints": [
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
                                    "live-keys",
                                    "scope-pairs",
                                    "name-pattern",
                                ],
                            )
                        ),
                        name="exception_rule_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["asked", "granted", "declined", "withdrawn"])),
                        name="exception_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("days__gte", 1), ("days__lte", 90)), name="exception_ends"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "granted"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                ("ends_at__isnull", False),
                                models.Q(("decided_by", models.F("asked_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="exception_granted_by_another",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "asked")),
                        fields=("key", "rule"),
                        name="exception_asked_once",
                    ),
                ],
            },
        ),
    ]
