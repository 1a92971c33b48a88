"""Add the type to the index by outcome, which tells refused views from other refusals."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_forged_times"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="auditevent",
            name="event_by_outcome",
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                models.F("outcome"), models.F("at"), models.F("id"), models.F("type"), name="event_by_outcome"
            ),
        ),
    ]
