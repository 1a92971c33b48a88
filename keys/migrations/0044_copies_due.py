"""Note whose keys may repeat former values of the person's row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0043_policy_versions")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="copies_due_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                models.F("copies_due_at"),
                condition=models.Q(("copies_due_at__isnull", False)),
                name="user_with_copies_due",
            ),
        ),
    ]
