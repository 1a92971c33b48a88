"""Make the audit log append-only: every event is queued for sealing, and the tree never shrinks."""

from django.db import migrations

from keys.migrations._vendor import SqlOn

REFUSAL = "the audit log is append-only"

# Erasing a person clears these columns, all at once and only once, and must not change the others.
BLANKED = {"actor_name": "''", "actor_email": "''", "ip": "''", "browser": "''", "personal": "'{}'"}
KEPT = (
    "id", "uid", "leaf", "mac", "mac_chain", "mac_epoch", "at", "type", "outcome", "actor_id", "actor_role",
    "key_id", "key_name", "reason", "details",
)  # fmt: skip


def erasure(same: str) -> str:
    """Return the SQL condition of an erasure. ``same`` is the operator that compares nullable values."""
    blanked = [f"NEW.{column} = {blank}" for column, blank in BLANKED.items()]
    kept = [f"NEW.{column} {same} OLD.{column}" for column in KEPT]
    return " AND ".join(["OLD.salt IS NOT NULL AND NEW.salt IS NULL", *blanked, *kept])


def going_back(differs: str) -> str:
    return f"NEW.id {differs} OLD.id OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root {differs} OLD.root)"


SEALED_BY_NOW = "EXISTS (SELECT 1 FROM keys_sealed WHERE event_id = OLD.event_id)"

# ---- SQLite


def there_is(table: str, *keys: str) -> str:
    """Match inserts that would replace a row: INSERT OR REPLACE deletes it without firing DELETE triggers."""
    equal = (" AND ".join(f"{column} = NEW.{column}" for column in key.split(",")) for key in keys)
    same = (f"EXISTS (SELECT 1 FROM {table} WHERE {condition})" for condition in equal)
    return f"INSERT ON {table} WHEN {' OR '.join(same)}"


REFUSED = {
    "keys_auditevent_no_update": f"UPDATE ON keys_auditevent WHEN NOT ({erasure('IS')})",
    "keys_auditevent_no_delete": "DELETE ON keys_auditevent",
    "keys_auditevent_no_replace": there_is("keys_auditevent", "id", "uid"),
    "keys_unsealed_no_update": "UPDATE ON keys_unsealed",
    "keys_unsealed_no_delete": f"DELETE ON keys_unsealed WHEN NOT {SEALED_BY_NOW}",
    "keys_sealed_no_update": "UPDATE ON keys_sealed",
    "keys_sealed_no_delete": "DELETE ON keys_sealed",
    "keys_sealed_no_replace": there_is("keys_sealed", '"index"', "event_id"),
    "keys_treenode_no_update": "UPDATE ON keys_treenode",
    "keys_treenode_no_delete": "DELETE ON keys_treenode",
    "keys_treenode_no_replace": there_is("keys_treenode", 'level,"index"'),
    "keys_treehead_no_update": f"UPDATE ON keys_treehead WHEN {going_back('IS NOT')}",
    "keys_treehead_no_delete": "DELETE ON keys_treehead",
    "keys_treehead_no_replace": there_is("keys_treehead", "id"),
    "keys_checkpoint_no_update": "UPDATE ON keys_checkpoint",
    "keys_checkpoint_no_delete": "DELETE ON keys_checkpoint",
    "keys_checkpoint_no_replace": there_is("keys_checkpoint", "id", "size"),
}
TRIGGERS = {
    "keys_auditevent_queued": """
        AFTER INSERT ON keys_auditevent BEGIN
            INSERT INTO keys_unsealed (event_id) VALUES (NEW.id);
        END
    """,
    **{name: f"BEFORE {when} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END" for name, when in REFUSED.items()},
}

# ---- PostgreSQL

RAISE = f"RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';"
FUNCTIONS = {
    "keys_audit_refuse": RAISE,
    "keys_audit_queue": "INSERT INTO keys_unsealed (event_id) VALUES (NEW.id); RETURN NULL;",
    "keys_audit_take_out": f"IF {SEALED_BY_NOW} THEN RETURN OLD; END IF; {RAISE}",
}

# For each trigger: when it fires, for which rows, and the function it calls. INSERT ... ON CONFLICT fires the
# trigger on UPDATE.
POSTGRESQL_TRIGGERS = {
    "keys_auditevent_queued": ("AFTER INSERT ON keys_auditevent", "ROW", "keys_audit_queue"),
    "keys_auditevent_no_update": (
        "BEFORE UPDATE ON keys_auditevent",
        f"ROW WHEN (NOT ({erasure('IS NOT DISTINCT FROM')}))",
        "keys_audit_refuse",
    ),
    "keys_auditevent_no_delete": (
        "BEFORE DELETE OR TRUNCATE ON keys_auditevent", "STATEMENT", "keys_audit_refuse"
    ),
    "keys_unsealed_no_update": (
        "BEFORE UPDATE OR TRUNCATE ON keys_unsealed", "STATEMENT", "keys_audit_refuse"
    ),
    "keys_unsealed_no_delete": ("BEFORE DELETE ON keys_unsealed", "ROW", "keys_audit_take_out"),
    **{
        f"keys_{table}_no_change": (
            f"BEFORE UPDATE OR DELETE OR TRUNCATE ON keys_{table}", "STATEMENT", "keys_audit_refuse"
        )
        for table in ("sealed", "treenode", "checkpoint")
    },
    "keys_treehead_no_update": (
        "BEFORE UPDATE ON keys_treehead",
        f"ROW WHEN ({going_back('IS DISTINCT FROM')})",
        "keys_audit_refuse",
    ),
    "keys_treehead_no_delete": (
        "BEFORE DELETE OR TRUNCATE ON keys_treehead", "STATEMENT", "keys_audit_refuse"
    ),
}  # fmt: skip


def function(name: str, body: str) -> SqlOn:
    declared = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
    return SqlOn("postgresql", f"{declared} AS $$ BEGIN {body} END $$", f"DROP FUNCTION {name}()")


def trigger(name: str, when: str, each: str, calls: str) -> SqlOn:
    table = when.rpartition(" ")[2]
    made = f"CREATE TRIGGER {name} {when} FOR EACH {each} EXECUTE FUNCTION {calls}()"
    return SqlOn("postgresql", made, f"DROP TRIGGER {name} ON {table}")


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_inventory_search")]

    operations = [
        *(
            SqlOn("sqlite", f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in TRIGGERS.items()
        ),
        *(function(name, body) for name, body in FUNCTIONS.items()),
        *(trigger(name, *parts) for name, parts in POSTGRESQL_TRIGGERS.items()),
    ]
