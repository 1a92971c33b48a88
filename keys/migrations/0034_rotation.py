"""Add rotations, and the place of a key in its lineage."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

OPEN = ["preparing", "overlap", "cut_over", "quiet", "overdue"]
IS_OPEN = Q(("state__in", OPEN))


class Migration(migrations.Migration):
    dependencies = [("keys", "0033_fold_white_space")]

    operations = [
        migrations.AddField("apikey", "lineage", models.UUIDField(null=True)),
        migrations.AddField("apikey", "generation", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("apikey", "gap_since", models.DateTimeField(null=True)),
        migrations.AddField("apikey", "longest_gap", models.PositiveIntegerField(null=True)),
        migrations.AddField("apikey", "gap_before", models.PositiveIntegerField(null=True)),
        migrations.AddConstraint(
            "apikey",
            models.UniqueConstraint(
                F("lineage"),
                Coalesce(F("generation"), 0).bitand(1),
                name="key_two_of_a_lineage",
                condition=Q(
                    ("lineage__isnull", False),
                    ("state__in", ["awaited", "calling", "claimed", "held", "ready", "requested"]),
                ),
            ),
        ),
        migrations.CreateModel(
            name="Rotation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("state", models.CharField(default="preparing", max_length=12)),
                ("because", models.CharField(max_length=20)),
                ("overlap", models.PositiveIntegerField()),
                ("overlap_until", models.DateTimeField()),
                ("quiet_after", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("stored_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                ("quiet_at", models.DateTimeField(null=True)),
                ("returned_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("proof", models.CharField(blank=True, default="", max_length=10)),
                (
                    "new",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="made_by_rotation",
                        to="keys.apikey",
                    ),
                ),
                (
                    "old",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rotations",
                        to="keys.apikey",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("state__in", [*OPEN, "retired", "called_off"])),
                        name="rotation_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=Q(("because__in", ["scheduled", "leaver", "suspected-leak", "policy"])),
                        name="rotation_reason_is_known",
                    ),
                    models.CheckConstraint(
                        condition=(IS_OPEN & Q(("ended_at__isnull", True)))
                        | (~IS_OPEN & Q(("ended_at__isnull", False))),
                        name="rotation_has_an_end_if_over",
                    ),
                    models.CheckConstraint(condition=~Q(("old", F("new"))), name="rotation_changes_the_key"),
                    models.UniqueConstraint(
                        fields=["old"], name="rotation_once_at_a_time", condition=IS_OPEN
                    ),
                ],
                "indexes": [
                    models.Index("old", "started_at", name="rotation_by_old"),
                    models.Index("started_at", "id", name="rotation_by_start"),
                    models.Index("state", "started_at", "id", name="rotation_by_state"),
                    models.Index("id", condition=IS_OPEN, name="rotation_open"),
                    models.Index("overlap_until", condition=IS_OPEN, name="rotation_by_deadline"),
                    models.Index(
                        "returned_at",
                        condition=IS_OPEN & Q(("returned_at__isnull", False)),
                        name="rotation_returned",
                    ),
                ],
            },
        ),
    ]
