"""Count the rows that a verification could compare only in part."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0019_registered_once")]

    operations = [
        migrations.AddField(
            model_name="verification",
            name="uncompared",
            field=models.BigIntegerField(default=0),
        ),
    ]
