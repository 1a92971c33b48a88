"""Store review campaigns, their items and certificates."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0047_policy_exceptions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Campaign",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("query", models.CharField(blank=True, max_length=4000)),
                ("is_list", models.BooleanField(default=False)),
                ("named", models.JSONField(default=list)),
                ("rationale", models.CharField(max_length=500)),
                ("state", models.CharField(default="freezing", max_length=8)),
                ("cadence", models.PositiveSmallIntegerField(null=True)),
                ("started_at", models.DateTimeField()),
                ("opened_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField()),
                ("escalated_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("signed_at", models.DateTimeField(null=True)),
                ("certified_to", models.BigIntegerField(null=True)),
                (
                    "previous",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="next",
                        to="keys.campaign",
                    ),
                ),
                (
                    "selection",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="keys.selection",
                    ),
                ),
                (
                    "signed_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "started_by",
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
        migrations.CreateModel(
            name="ReviewItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("snapshot", models.JSONField()),
                ("has_finding", models.BooleanField()),
                ("comparison", models.CharField(max_length=7)),
                ("shown_at", models.DateTimeField(null=True)),
                ("decision", models.CharField(blank=True, max_length=13)),
                ("sentence", models.CharField(blank=True, max_length=500)),
                ("in_bulk", models.BooleanField(default=False)),
                ("decided_at", models.DateTimeField(null=True)),
                ("took", models.PositiveIntegerField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "to_do",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                decision__in=["narrow", "rotate", "remove"],
                                done_at__isnull=True,
                                then=models.Value(1),
                            ),
                            default=None,
                        ),
                        output_field=models.PositiveSmallIntegerField(null=True),
                    ),
                ),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="keys.campaign",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="review_items",
                        to="keys.apikey",
                    ),
                ),
                (
                    "reviewer",
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
        migrations.CreateModel(
            name="Certificate",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="certificate",
                        serialize=False,
                        to="keys.apikey",
                    ),
                ),
                ("certified_at", models.DateTimeField(null=True)),
                ("voided_at", models.DateTimeField(null=True)),
                ("because", models.CharField(blank=True, max_length=9)),
                (
                    "item",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="keys.reviewitem"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(models.F("started_at"), models.F("id"), name="campaign_by_start"),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(models.F("state"), models.F("id"), name="campaign_by_state"),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                models.F("selection"),
                condition=models.Q(("selection__isnull", False)),
                name="campaign_by_selection",
            ),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                models.F("id"),
                condition=models.Q(("certified_to__isnull", False)),
                name="campaign_to_certify",
            ),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                models.F("opened_at"),
                condition=models.Q(("cadence__isnull", False)),
                name="campaign_repeated",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["freezing", "open", "closed", "signed"])),
                name="campaign_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cadence__isnull", True), ("cadence__in", (30, 90, 180, 365)), _connector="OR"
                ),
                name="campaign_cadence_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("signed_at__isnull", False), ("signed_by__isnull", False), ("state", "signed")),
                    models.Q(
                        models.Q(("state", "signed"), _negated=True),
                        ("signed_at__isnull", True),
                        ("signed_by__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="campaign_is_signed_by_somebody",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(
                models.F("campaign"), models.F("decision"), models.F("id"), name="review_item_by_decision"
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(
                models.F("campaign"),
                models.F("reviewer"),
                models.F("decision"),
                models.F("id"),
                name="review_item_by_reviewer",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(
                models.F("campaign"),
                models.F("decided_by"),
                models.F("took"),
                models.F("in_bulk"),
                name="review_item_by_speed",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(
                models.F("campaign"),
                models.F("decided_by"),
                models.F("decided_at"),
                name="review_item_by_time",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(
                models.F("id"),
                models.F("to_do"),
                condition=models.Q(("to_do__isnull", False)),
                name="review_item_to_do",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.UniqueConstraint(fields=("key", "campaign"), name="review_item_once"),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("comparison__in", ["new", "changed", "same"])),
                name="review_item_comparison_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decision__in", ["", "keep", "narrow", "rotate", "remove", "not_certified"])
                ),
                name="review_item_decision_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("decided_by__isnull", True), ("decision", "")),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", True),
                        ("decision", "not_certified"),
                    ),
                    models.Q(
                        models.Q(("decision__in", ["", "not_certified"]), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="review_item_is_decided_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("in_bulk", False),
                    models.Q(("comparison", "same"), ("decision", "keep"), ("has_finding", False)),
                    _connector="OR",
                ),
                name="review_item_in_bulk_is_kept",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decision", "keep"), ("has_finding", True), ("sentence", ""), _negated=True
                ),
                name="review_item_kept_with_a_sentence",
            ),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                models.F("key"), condition=models.Q(("voided_at__isnull", True)), name="certificate_valid"
            ),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                models.F("key"), condition=models.Q(("voided_at__isnull", False)), name="certificate_void"
            ),
        ),
        migrations.AddConstraint(
            model_name="certificate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("because", ""), ("certified_at__isnull", False), ("voided_at__isnull", True)),
                    models.Q(("voided_at__isnull", False), ("because__in", ["wider", "owner", "undecided"])),
                    _connector="OR",
                ),
                name="certificate_is_void_for_a_reason",
            ),
        ),
    ]
