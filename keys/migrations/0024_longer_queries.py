"""Keep the whole query string of the page on which keys were selected."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0023_saved_views")]

    operations = [
        migrations.AlterField(
            model_name="selection", name="query", field=models.CharField(blank=True, max_length=4000)
        )
    ]
