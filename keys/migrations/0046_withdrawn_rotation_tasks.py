"""Allow the bulk action that withdraws rotation tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0045_requests")]

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
                    ("rotate", "Start rotations"),
                    ("unask", "Withdraw rotation tasks"),
                    ("stop", "Stop in an emergency"),
                    ("drill", "Drill"),
                ],
                max_length=10,
            ),
        ),
    ]
