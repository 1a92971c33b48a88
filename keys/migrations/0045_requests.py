"""Create requests for approval and the verdicts on them."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0044_copies_due"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccessRequest",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("generate", "Generate an API key"),
                            ("delete", "Delete API keys"),
                            ("keep", "Keep API keys of a person who leaves"),
                        ],
                        max_length=10,
                    ),
                ),
                ("state", models.CharField(default="open", max_length=10)),
                ("least_role", models.PositiveSmallIntegerField()),
                ("needed", models.PositiveSmallIntegerField()),
                ("document", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.CharField(max_length=500)),
                ("made_at", models.DateTimeField()),
                ("decide_by", models.DateTimeField()),
                ("approved_at", models.DateTimeField(null=True)),
                ("use_by", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("escalated_at", models.DateTimeField(null=True)),
                ("subject", models.UUIDField(null=True)),
                ("offer", models.TextField(blank=True, default="")),
                ("ticket", models.CharField(blank=True, default="", max_length=100)),
                ("reviewed_at", models.DateTimeField(null=True)),
                (
                    "offered_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="notification",
            name="request",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notifications",
                to="keys.accessrequest",
            ),
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("approves", models.BooleanField()),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("at", models.DateTimeField()),
                (
                    "approver",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verdicts",
                        to="keys.accessrequest",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(models.F("made_at"), models.F("id"), name="request_by_time"),
        ),
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(
                models.F("state"), models.F("made_at"), models.F("id"), name="request_by_state"
            ),
        ),
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(
                models.F("requester"), models.F("made_at"), models.F("id"), name="request_by_requester"
            ),
        ),
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(
                models.F("subject"), condition=models.Q(("subject__isnull", False)), name="request_by_subject"
            ),
        ),
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(
                models.F("made_at"),
                condition=models.Q(models.Q(("ticket", ""), _negated=True), ("reviewed_at__isnull", True)),
                name="request_to_review",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["open", "approved", "used", "denied", "withdrawn", "stale"])
                ),
                name="request_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["generate", "delete", "keep"])), name="request_kind_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["approved", "used"]), _negated=True),
                    models.Q(("approved_at__isnull", False), ("use_by__isnull", False)),
                    _connector="OR",
                ),
                name="request_is_usable_for_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("offer", ""), ("offered_by__isnull", True)),
                    models.Q(models.Q(("offer", ""), _negated=True), ("offered_by__isnull", False)),
                    _connector="OR",
                ),
                name="request_offer_has_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="verdict",
            constraint=models.UniqueConstraint(
                fields=("request", "approver", "digest"), name="verdict_once_for_each_person"
            ),
        ),
    ]
