"""Store the plans for the keys of people who leave."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


def _person(related_name: str, *, null: bool = True) -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        null=null,
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [("keys", "0036_rotation_by_reason")]

    operations = [
        migrations.CreateModel(
            name="LeaverPlan",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="leaver_plan",
                        serialize=False,
                        to="keys.apikey",
                    ),
                ),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("rotate", "Rotate to another owner"),
                            ("remove", "Remove"),
                            ("keep", "Keep until a date"),
                        ],
                        max_length=6,
                    ),
                ),
                ("until", models.DateField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("open_since", models.DateTimeField(null=True)),
                ("assigned", _person("leaver_tasks")),
                ("decided_by", _person("+")),
                ("person", _person("+", null=False)),
                ("to", _person("+")),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("open_since"),
                        name="leaver_plan_open",
                        condition=Q(("open_since__isnull", False)),
                    ),
                    models.Index(
                        models.F("assigned"),
                        models.F("open_since"),
                        name="leaver_plan_assigned",
                        condition=Q(("open_since__isnull", False)),
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            Q(("decision", ""), ("to__isnull", True), ("until__isnull", True)),
                            Q(("decision", "rotate"), ("to__isnull", False), ("until__isnull", True)),
                            Q(("decision", "remove"), ("to__isnull", True), ("until__isnull", True)),
                            Q(("decision", "keep"), ("to__isnull", True), ("until__isnull", False)),
                            _connector="OR",
                        ),
                        name="leaver_plan_is_complete",
                    )
                ],
            },
        )
    ]
