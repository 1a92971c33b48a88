"""The database itself refuses to change or remove an audit event."""

from django.db import migrations

from keys.migrations._vendor import SqlOn

REFUSAL = "the audit log is append-only"


def refuse(name: str, when: str) -> SqlOn:
    return SqlOn(
        "sqlite",
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
        # Fires for the UPDATE within INSERT ... ON CONFLICT as well.
        SqlOn(
            "postgresql",
            f"""
                CREATE FUNCTION keys_auditevent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
                    END
                $$;
                CREATE TRIGGER keys_auditevent_append_only
                    BEFORE UPDATE OR DELETE OR TRUNCATE ON keys_auditevent
                    FOR EACH STATEMENT EXECUTE FUNCTION keys_auditevent_refuse();
            """,
            """
                DROP TRIGGER keys_auditevent_append_only ON keys_auditevent;
                DROP FUNCTION keys_auditevent_refuse();
            """,
        ),
    ]
