"""The database itself keeps the audit log: it only grows, every event is queued, the tree never shrinks."""

import hashlib
from typing import Any

from django.db import migrations

from keys.migrations._vendor import SqlOn

REFUSAL = "the audit log is append-only"

# What erasing a person blanks, all at once and once only, and what it has to leave as it was.
BLANKED = {"actor_name": "''", "actor_email": "''", "ip": "''", "browser": "''", "personal": "'{}'"}
KEPT = (
    "id", "uid", "leaf", "mac", "mac_chain", "mac_epoch", "at", "type", "outcome", "actor_id", "actor_role",
    "key_id", "key_name", "reason", "details",
)  # fmt: skip

# ---- SQLite

ERASURE = " AND ".join(
    [
        "OLD.salt IS NOT NULL AND NEW.salt IS NULL",
        *(f"NEW.{column} = {blank}" for column, blank in BLANKED.items()),
        *(f"NEW.{column} IS OLD.{column}" for column in KEPT),
    ]
)


def there_is(table: str, *columns: str) -> str:
    """INSERT OR REPLACE removes the row it replaces without firing the trigger on DELETE."""
    same = (
        f"EXISTS (SELECT 1 FROM {table} WHERE {' AND '.join(f'{column} = NEW.{column}' for column in key.split(','))})"
        for key in columns
    )
    return f"INSERT ON {table} WHEN {' OR '.join(same)}"


REFUSED = {
    "keys_auditevent_no_update": f"UPDATE ON keys_auditevent WHEN NOT ({ERASURE})",
    "keys_auditevent_no_delete": "DELETE ON keys_auditevent",
    "keys_auditevent_no_replace": there_is("keys_auditevent", "id", "uid"),
    "keys_unsealed_no_update": "UPDATE ON keys_unsealed",
    "keys_unsealed_no_delete": (
        "DELETE ON keys_unsealed WHEN NOT EXISTS (SELECT 1 FROM keys_sealed WHERE event_id = OLD.event_id)"
    ),
    "keys_sealed_no_update": "UPDATE ON keys_sealed",
    "keys_sealed_no_delete": "DELETE ON keys_sealed",
    "keys_sealed_no_replace": there_is("keys_sealed", '"index"', "event_id"),
    "keys_treenode_no_update": "UPDATE ON keys_treenode",
    "keys_treenode_no_delete": "DELETE ON keys_treenode",
    "keys_treenode_no_replace": there_is("keys_treenode", 'level,"index"'),
    "keys_treehead_only_grows": (
        "UPDATE ON keys_treehead WHEN NEW.id IS NOT OLD.id OR NEW.size < OLD.size"
        " OR (NEW.size = OLD.size AND NEW.root IS NOT OLD.root)"
    ),
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


def make_head(apps: Any, _: Any) -> None:
    """The root of a tree without leaves is the hash of nothing (RFC 6962, section 2.1)."""
    apps.get_model("keys", "TreeHead").objects.create(root=hashlib.sha256().digest())


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_inventory_search")]

    operations = [
        migrations.RunPython(make_head, migrations.RunPython.noop),
        *(
            SqlOn("sqlite", f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in TRIGGERS.items()
        ),
    ]
