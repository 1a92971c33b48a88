"""Add indexes that find the events about a key or person, and the end of a person's sessions."""

import django.db.models.lookups
from django.db import migrations, models

import keys.models.event


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0013_sealed_results"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="signed_out_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                keys.models.event.LoggedCerbyId(),
                condition=models.Q(
                    django.db.models.lookups.IsNull(keys.models.event.LoggedCerbyId(), rhs=False)
                ),
                name="event_by_cerby_id",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                keys.models.event.LoggedEmail(),
                condition=models.Q(
                    django.db.models.lookups.IsNull(keys.models.event.LoggedEmail(), rhs=False)
                ),
                name="event_by_email",
            ),
        ),
    ]
