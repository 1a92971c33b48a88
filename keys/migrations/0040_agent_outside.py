"""Mark the keys of agents outside the rules, so that the filter and the dashboard ask one index."""

from django.db import migrations, models
from django.db.models import F, Q

from keys.migrations._vendor import AddGenerated
from keys.models.agent import OUTSIDE


class Migration(migrations.Migration):
    dependencies = [("keys", "0039_notifications")]

    operations = [
        AddGenerated(
            "apikey",
            "agent_outside",
            models.GeneratedField(
                expression=OUTSIDE, output_field=models.PositiveSmallIntegerField(null=True), db_persist=True
            ),
        ),
        migrations.AddIndex(
            "apikey",
            models.Index(
                *(F("phase"), F("expires_at"), F("id"), F("agent_outside"), F("listed")),
                condition=Q(agent_outside__isnull=False),
                name="key_agent_outside",
            ),
        ),
    ]
