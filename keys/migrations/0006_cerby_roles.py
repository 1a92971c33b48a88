"""Store Cerby's role identifiers, the values that could not be read, and refused credentials."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0005_refused_views"),
    ]

    operations = [
        migrations.AddField("user", "cerby_role", models.CharField(blank=True, default="", max_length=100)),
        migrations.AddField("user", "role_known", models.BooleanField(default=True)),
        migrations.AddIndex(
            "user",
            models.Index(
                models.F("cerby_role"),
                condition=models.Q(("role_known", False)),
                name="user_by_unknown_role",
            ),
        ),
        migrations.CreateModel(
            "DroppedValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=10)),
                ("attribute", models.CharField(max_length=60)),
                ("count", models.PositiveIntegerField()),
                ("example", models.UUIDField()),
                ("found_at", models.DateTimeField()),
            ],
        ),
        migrations.AddConstraint(
            "droppedvalue",
            models.UniqueConstraint(fields=("kind", "attribute"), name="dropped_value_once"),
        ),
        migrations.CreateModel(
            "CredentialRefusal",
            fields=[
                ("credential", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("doing", models.CharField(max_length=100)),
                ("refused_at", models.DateTimeField()),
            ],
        ),
    ]
