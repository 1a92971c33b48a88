"""Add the table that counts attempts to guess a password."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0007_scope_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Throttle",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("busy_until", models.FloatField(db_index=True, default=0)),
            ],
        ),
    ]
