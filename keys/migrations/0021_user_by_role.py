"""Index people by role, for the filter of the inventory by the role of the owner."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0020_uncompared_rows")]

    operations = [
        migrations.AddIndex("user", models.Index("role", name="user_by_role")),
    ]
