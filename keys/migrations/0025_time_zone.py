"""Let people choose the time zone of their pages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0024_longer_queries")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        )
    ]
