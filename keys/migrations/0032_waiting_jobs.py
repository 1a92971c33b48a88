"""Store since when a background job waits, so that one that is about to run for the first time is not late."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0031_reach")]

    operations = [
        migrations.AddField("periodicjob", "waiting_since", models.DateTimeField(null=True)),
    ]
