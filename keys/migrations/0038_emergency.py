"""Let a bulk action stop keys in an emergency, or be a drill."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0037_leaver_plans")]

    operations = [
        migrations.AlterField(
            model_name="selection",
            name="act",
            field=models.CharField(
                blank=True,
                choices=[
                    ("delete", "Delete"),
                    ("adopt", "Adopt"),
                    ("edit", "Edit"),
                    ("remind", "Remind"),
                    ("stop", "Stop in an emergency"),
                    ("drill", "Drill"),
                ],
                max_length=10,
            ),
        )
    ]
