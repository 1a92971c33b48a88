"""Add the nodes, and the MAC chain that they share."""

import django.db.models.functions.datetime
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0008_throttle"),
    ]

    operations = [
        migrations.CreateModel(
            name="MacChain",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=8)),
                ("since", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="mac_chain_is_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="Node",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("last_seen", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("back_since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("marked_at", models.DateTimeField(null=True)),
                ("agreed", models.BigIntegerField(default=0)),
                ("refusal", models.CharField(blank=True, max_length=500)),
                ("request", models.TextField(blank=True)),
                ("answer", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("agreed__gte", 0)), name="node_agreed_is_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("answer", ""), models.Q(("request", ""), _negated=True), _connector="OR"
                        ),
                        name="node_answer_has_a_request",
                    ),
                ],
            },
        ),
    ]
