"""Note when a person was first asked to add a second factor, and whether they have one in Cerby."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0029_long_search_texts")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="factor_asked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(model_name="user", name="cerby_mfa", field=models.BooleanField(null=True)),
    ]
