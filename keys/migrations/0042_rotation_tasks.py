"""Store by which day keys are to be rotated, and allow the bulk action that plans it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0041_policy")]

    operations = [
        migrations.AlterField(
            model_name="selection",
            name="act",
            field=models.CharField(
                blank=True,
                choices=[
                    ("delete", "Delete"),
                    ("adopt", "Adopt"),
                    ("edit", "Edit"),
                    ("remind", "Remind"),
                    ("rotate", "Start rotations"),
                    ("stop", "Stop in an emergency"),
                    ("drill", "Drill"),
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="RotationTask",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="rotation_task",
                        serialize=False,
                        to="keys.apikey",
                    ),
                ),
                ("due_on", models.DateField()),
                ("asked_at", models.DateTimeField()),
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
                    "assigned",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rotation_tasks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(models.F("due_on"), name="rotation_task_by_day"),
                    models.Index(models.F("assigned"), models.F("due_on"), name="rotation_task_by_person"),
                ],
            },
        ),
    ]
