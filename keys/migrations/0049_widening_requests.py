"""Allow requests to add a scope to an API key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0048_reviews")]

    operations = [
        migrations.RemoveConstraint(model_name="accessrequest", name="request_kind_is_known"),
        migrations.AlterField(
            model_name="accessrequest",
            name="kind",
            field=models.CharField(
                choices=[
                    ("generate", "Generate an API key"),
                    ("delete", "Delete API keys"),
                    ("keep", "Keep API keys of a person who leaves"),
                    ("widen", "Add a scope to an API key"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["generate", "delete", "keep", "widen"])),
                name="request_kind_is_known",
            ),
        ),
    ]
