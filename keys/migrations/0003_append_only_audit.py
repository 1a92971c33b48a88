"""The database itself refuses to change or remove an audit event."""

from django.db import migrations

REFUSAL = "the audit log is append-only"


def refuse(name: str, when: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER keys_auditevent_no_{name} BEFORE {when} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
        f"DROP TRIGGER keys_auditevent_no_{name}",
    )


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_inventory_search")]

    operations = [
        refuse("update", "UPDATE ON keys_auditevent"),
        refuse("delete", "DELETE ON keys_auditevent"),
        # INSERT OR REPLACE removes the row it replaces without firing the trigger on DELETE.
        refuse(
            "replace",
            "INSERT ON keys_auditevent WHEN EXISTS (SELECT 1 FROM keys_auditevent WHERE id = NEW.id)",
        ),
    ]
