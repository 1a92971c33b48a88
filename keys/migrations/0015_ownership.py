"""Add who answers for a key and what it is for, with the tables and indexes to filter by it."""

from datetime import date
from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q, Value

from keys.migrations._vendor import (
    AddColumn,
    AddConstraintLater,
    AddFieldLater,
    RemoveConstraintLater,
    SqlOn,
)
from keys.models.folding import Folded

STATES = [
    *("requested", "awaited", "calling", "refused", "in_doubt", "absent"),
    *("ready", "claimed", "held", "revoking", "revoked", "withdrawn"),
]

# SQLite drops a table's triggers when it rebuilds the table: create those of an earlier migration again.
EARLIER = {
    name: body
    for name, body in import_module("keys.migrations.0002_inventory_search").TRIGGERS.items()
    if name.startswith("keys_apikey_")
}

TAGGED = """
    INSERT INTO keys_keytag (key_id, tag, created_at)
        SELECT NEW.id, value, NEW.created_at FROM json_each(NEW.tags);
"""
TRIGGERS = {
    "keys_apikey_tagged": f"AFTER INSERT ON keys_apikey BEGIN {TAGGED} END",
    "keys_apikey_retagged": f"""
        AFTER UPDATE OF tags ON keys_apikey BEGIN
            DELETE FROM keys_keytag WHERE key_id = NEW.id;
            {TAGGED}
        END
    """,
    "keys_apikey_tags_moved": """
        AFTER UPDATE OF created_at ON keys_apikey WHEN NEW.created_at <> OLD.created_at BEGIN
            UPDATE keys_keytag SET created_at = NEW.created_at WHERE key_id = NEW.id;
        END
    """,
    "keys_apikey_untagged": """
        BEFORE DELETE ON keys_apikey BEGIN
            DELETE FROM keys_keytag WHERE key_id = OLD.id;
        END
    """,
}

INSERT_TAGS = """
    INSERT INTO keys_keytag (key_id, tag, created_at)
        SELECT NEW.id, tag, NEW.created_at FROM jsonb_array_elements_text(NEW.tags) AS tag;
"""
DELETE_TAGS = "DELETE FROM keys_keytag WHERE key_id = OLD.id;"
POSTGRESQL_TRIGGERS = {
    "keys_apikey_tagged": ("AFTER INSERT ON keys_apikey", INSERT_TAGS),
    "keys_apikey_retagged": (
        "AFTER UPDATE OF tags ON keys_apikey",
        f"IF NEW.tags <> OLD.tags THEN {DELETE_TAGS} {INSERT_TAGS} END IF;",
    ),
    "keys_apikey_tags_moved": (
        "AFTER UPDATE OF created_at ON keys_apikey",
        "UPDATE keys_keytag SET created_at = NEW.created_at WHERE key_id = NEW.id;",
    ),
    "keys_apikey_untagged": ("BEFORE DELETE ON keys_apikey", DELETE_TAGS),
}

postgresql_trigger = import_module("keys.migrations.0002_inventory_search").postgresql_trigger


def person(related_name: str) -> models.Field:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
    )


def text(length: int, **options: Any) -> models.Field:
    return models.CharField(blank=True, default="", max_length=length, **options)


def folded(source: str, length: int) -> models.Field:
    return Folded(source, default="", editable=False, max_length=length)


def index(*columns: str, name: str, where: str | None = None) -> migrations.AddIndex:
    condition = Q((f"{where}__isnull", False)) if where else None
    return migrations.AddIndex(
        "apikey", models.Index(*(F(column) for column in columns), name=name, condition=condition)
    )


class Migration(migrations.Migration):
    dependencies = [("keys", "0014_repaired_rows")]

    operations = [
        *(
            SqlOn("sqlite", migrations.RunSQL.noop, f"CREATE TRIGGER {name} {body}")
            for name, body in EARLIER.items()
        ),
        migrations.AddField("apikey", "accountable", person("accountable_for")),
        migrations.AddField("apikey", "accountable_left_at", models.DateTimeField(null=True)),
        migrations.AddField("apikey", "backup", person("backup_for")),
        migrations.AddField("apikey", "review_on", models.DateField(null=True)),
        migrations.AddField("apikey", "imported_in", models.UUIDField(null=True)),
        AddColumn("apikey", "accountable_name", text(200)),
        AddColumn("apikey", "accountable_email", models.EmailField(blank=True, default="", max_length=254)),
        AddColumn("apikey", "accountable_order", folded("accountable_name", 600)),
        AddColumn("apikey", "team", text(100)),
        AddColumn("apikey", "team_order", folded("team", 300)),
        AddColumn("apikey", "system", text(100)),
        AddColumn("apikey", "system_order", folded("system", 300)),
        AddColumn(
            "apikey",
            "kind",
            text(
                10,
                choices=[
                    ("person", "Person"),
                    ("workload", "Workload"),
                    ("agent", "Agent"),
                    ("vendor", "Vendor"),
                ],
            ),
        ),
        AddColumn(
            "apikey",
            "environment",
            text(10, choices=[("production", "Production"), ("other", "Other")]),
        ),
        AddColumn("apikey", "note", text(500)),
        AddColumn("apikey", "tags", models.JSONField(default=list), "text NOT NULL DEFAULT '[]'"),
        AddColumn(
            "apikey", "version", models.PositiveIntegerField(default=0), "integer unsigned NOT NULL DEFAULT 0"
        ),
        RemoveConstraintLater("apikey", "key_state_is_known"),
        AddConstraintLater(
            "apikey", models.CheckConstraint(name="key_state_is_known", condition=Q(state__in=STATES))
        ),
        AddFieldLater(
            "apikey",
            "review_order",
            models.GeneratedField(
                expression=models.functions.Coalesce(
                    F("review_on"), Value(date(9999, 12, 31), output_field=models.DateField())
                ),
                output_field=models.DateField(),
                db_persist=True,
            ),
        ),
        # On SQLite, this one rebuilds the table, with everything above.
        migrations.AddField(
            "apikey",
            "orphan",
            models.GeneratedField(
                expression=models.Case(
                    models.When(
                        Q(
                            ("accountable__isnull", True),
                            ("accountable_left_at__isnull", False),
                            _connector="OR",
                        ),
                        then=Value(1),
                    ),
                    default=None,
                ),
                output_field=models.PositiveSmallIntegerField(null=True),
                db_persist=True,
            ),
        ),
        index("phase", "expires_at", "id", "orphan", "listed", name="key_orphan", where="orphan"),
        index("accountable", "created_at", "id", "listed", name="key_by_accountable"),
        index("backup", "created_at", "id", "listed", name="key_by_backup", where="backup"),
        index("accountable_order", "id", name="key_by_accountable_name", where="listed"),
        index("team_order", "created_at", "id", "listed", name="key_by_team"),
        index("system_order", "created_at", "id", "listed", name="key_by_system"),
        index("kind", "created_at", "id", "listed", name="key_by_kind"),
        index("environment", "created_at", "id", "listed", name="key_by_environment"),
        index("review_order", "id", name="key_by_review", where="listed"),
        index(
            *("phase", "review_order", "id", "expires_at", "listed"), name="key_review_due", where="review_on"
        ),
        index("imported_in", name="key_by_import", where="imported_in"),
        migrations.CreateModel(
            "KeyTag",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tag", models.CharField(max_length=40)),
                ("created_at", models.DateTimeField()),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tagged",
                        to="keys.apikey",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            "keytag", models.Index(F("tag"), F("created_at"), F("key"), name="key_tag_by_created")
        ),
        migrations.AddConstraint(
            "keytag", models.UniqueConstraint(fields=("key", "tag"), name="key_tag_once")
        ),
        *(
            SqlOn("sqlite", f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in (EARLIER | TRIGGERS).items()
        ),
        *(postgresql_trigger(name, when, body) for name, (when, body) in POSTGRESQL_TRIGGERS.items()),
    ]
