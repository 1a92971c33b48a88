"""Let an index answer the list of rotations for one reason."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0035_event_by_actor_and_type")]

    operations = [
        migrations.AddIndex(
            "rotation", models.Index("because", "state", "started_at", "id", name="rotation_by_reason")
        )
    ]
