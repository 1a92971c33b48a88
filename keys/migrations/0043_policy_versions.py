"""Store versions of the policy, and the facts by which the database compares all active keys with one."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from keys.migrations._key_facts import COLUMNS, LIVE, WATCHED, values_sql
from keys.migrations._vendor import SqlOn
from keys.models.policy_columns import SCOPES

KNOWN = SCOPES[:17]

INSERT = f"INSERT INTO keys_keyfacts ({COLUMNS}) "
FILL = "{insert}SELECT {values} FROM keys_apikey WHERE keys_apikey.state IN ({live})"
DELETE = "DELETE FROM keys_keyfacts WHERE key_id = NEW.id;"
ON_CHANGE = f"AFTER UPDATE OF {', '.join(WATCHED)} ON keys_apikey"

_NEW = values_sql("sqlite", "NEW", KNOWN)
_STORED = f"{INSERT} SELECT {_NEW} WHERE NEW.state IN ({LIVE});"
TRIGGERS = {
    "keys_apikey_facts_added": f"AFTER INSERT ON keys_apikey BEGIN {_STORED} END",
    "keys_apikey_facts_changed": f"{ON_CHANGE} BEGIN {DELETE} {_STORED} END",
    "keys_apikey_facts_removed": """
        BEFORE DELETE ON keys_apikey BEGIN DELETE FROM keys_keyfacts WHERE key_id = OLD.id; END
    """,
}

_UPDATED = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS.split(", ")[1:])
_KEPT = f"{INSERT} VALUES ({values_sql('postgresql', 'NEW', KNOWN)}) ON CONFLICT (key_id) DO UPDATE SET {_UPDATED};"
_NOW = f"IF NEW.state IN ({LIVE}) THEN {_KEPT} ELSE {DELETE} END IF; RETURN NEW;"
POSTGRESQL_TRIGGERS = {
    "keys_apikey_facts_added": ("AFTER INSERT ON keys_apikey", _NOW),
    "keys_apikey_facts_changed": (ON_CHANGE, _NOW),
    "keys_apikey_facts_removed": (
        "BEFORE DELETE ON keys_apikey",
        "DELETE FROM keys_keyfacts WHERE key_id = OLD.id; RETURN OLD;",
    ),
}


def filled(vendor: str) -> SqlOn:
    sql = FILL.format(insert=INSERT, values=values_sql(vendor, "keys_apikey", KNOWN), live=LIVE)
    return SqlOn(vendor, sql)


def trigger(name: str, when: str, body: str) -> SqlOn:
    return SqlOn(
        "postgresql",
        f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
            CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON keys_apikey; DROP FUNCTION {name}();",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0042_rotation_tasks"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyFacts",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="facts",
                        serialize=False,
                        to="keys.apikey",
                    ),
                ),
                ("bits", models.BigIntegerField()),
                ("life", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(null=True)),
                ("review_on", models.DateField(null=True)),
                ("name", models.CharField(max_length=100)),
            ],
        ),
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(unique=True)),
                ("document", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("base", models.PositiveIntegerField()),
                ("reason", models.CharField(max_length=300)),
                ("proposed_at", models.DateTimeField()),
                ("needs_approval", models.BooleanField()),
                ("alone", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("active", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("verdict", models.CharField(blank=True, max_length=300)),
                ("starts_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="finding",
            name="finding_rule_is_known",
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
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
                name="finding_rule_is_known",
            ),
        ),
        migrations.AddField(
            model_name="keyfacts",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="policyversion",
            name="author",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="policyversion",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="keyfacts",
            index=models.Index(models.F("owner"), models.F("expires_at"), name="key_facts_by_owner"),
        ),
        migrations.AddIndex(
            model_name="policyversion",
            index=models.Index(models.F("state"), models.F("number"), name="policy_by_state"),
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["proposed", "active", "declined", "withdrawn"])),
                name="policy_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("starts_at__isnull", False), ("state", "active")),
                    models.Q(models.Q(("state", "active"), _negated=True), ("starts_at__isnull", True)),
                    _connector="OR",
                ),
                name="policy_starts_when_active",
            ),
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("alone", False), ("needs_approval", True), ("state", "active"), _negated=True),
                    models.Q(
                        ("decided_by__isnull", False),
                        models.Q(("decided_by", models.F("author")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="policy_approved_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")), fields=("state",), name="policy_one_proposal"
            ),
        ),
        filled("sqlite"),
        filled("postgresql"),
        *(
            SqlOn("sqlite", f"CREATE TRIGGER {name} {text}", f"DROP TRIGGER {name}")
            for name, text in TRIGGERS.items()
        ),
        *(trigger(name, when, text) for name, (when, text) in POSTGRESQL_TRIGGERS.items()),
    ]
