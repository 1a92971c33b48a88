"""Refuse an update of the tree's head that takes back or lessens the forged events that were found."""

from django.db import migrations, models

from keys.migrations._vendor import SqlOn

TAKEN_BACK = (
    "(OLD.forged IS NOT NULL AND (NEW.forged IS NULL OR NEW.forged > OLD.forged)) OR "
    "(OLD.forged_times IS NOT NULL AND (NEW.forged_times IS NULL OR NEW.forged_times < OLD.forged_times))"
)
NAME = "keys_treehead_no_pardon"


class Migration(migrations.Migration):
    dependencies = [("keys", "0011_compared_by_hand")]

    operations = [
        migrations.AddField(
            model_name="verification", name="unchecked", field=models.BigIntegerField(default=0)
        ),
        migrations.AddField(model_name="node", name="unchecked", field=models.BigIntegerField(default=0)),
        SqlOn(
            "sqlite",
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON keys_treehead WHEN {TAKEN_BACK} "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
            f"DROP TRIGGER {NAME}",
        ),
        SqlOn(
            "postgresql",
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON keys_treehead FOR EACH ROW WHEN ({TAKEN_BACK}) "
            "EXECUTE FUNCTION keys_audit_refuse()",
            f"DROP TRIGGER {NAME} ON keys_treehead",
        ),
    ]
