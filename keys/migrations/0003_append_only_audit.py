"""The database itself refuses to change or remove an audit event."""

from django.db import migrations

REFUSAL = "the audit log is append-only"


def refuse(verb: str) -> migrations.RunSQL:
    name = f"keys_auditevent_no_{verb.lower()}"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} BEFORE {verb} ON keys_auditevent BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
        f"DROP TRIGGER {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_inventory_search")]

    operations = [refuse("UPDATE"), refuse("DELETE")]
