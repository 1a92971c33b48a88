"""Find the last event of a person of one type, such as their last sign-in, however many others they have."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0034_rotation")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                models.F("actor_email"),
                models.F("type"),
                models.F("outcome"),
                models.F("at"),
                name="event_by_actor_and_type",
            ),
        ),
    ]
