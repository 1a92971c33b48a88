"""List withdrawn registrations only if somebody asks for them, as failed requests: neither is a key."""

from django.db import migrations, models

from keys.migrations._vendor import AlterGenerated


class Migration(migrations.Migration):
    dependencies = [("keys", "0025_time_zone")]

    operations = [
        AlterGenerated(
            "apikey",
            "listed",
            models.GeneratedField(
                expression=models.Case(
                    models.When(state__in=["refused", "absent", "withdrawn"], then=None),
                    default=models.Value(1),
                ),
                output_field=models.PositiveSmallIntegerField(null=True),
                db_persist=True,
            ),
        ),
    ]
