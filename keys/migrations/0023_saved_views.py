"""Turn the saved filters of the activity into saved views of any page, which can be shared."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from keys.models.folding import Folded
from keys.rules.folded_text import fold

LONGEST_NAME = 60


def fold_names(apps: Any, schema_editor: Any) -> None:
    """Fold each name. Of a person's names that are equal now, all but the oldest get a number."""
    views = apps.get_model("keys", "SavedView").objects.using(schema_editor.connection.alias)
    taken: set[tuple[int, str]] = set()
    for view in views.order_by("id"):
        name, number = view.name, 1
        while (view.user_id, fold(name)) in taken:
            number += 1
            end = f" ({number})"
            name = f"{view.name[: LONGEST_NAME - len(end)]}{end}"
        taken.add((view.user_id, fold(name)))
        views.filter(pk=view.pk).update(name=name, name_order=fold(name))


class Migration(migrations.Migration):
    dependencies = [("keys", "0022_sealed_mails")]

    operations = [
        migrations.RemoveConstraint(model_name="savedfilter", name="saved_filter_name_once"),
        migrations.AlterModelTable(name="savedfilter", table="keys_savedfilter"),
        migrations.RenameModel(old_name="SavedFilter", new_name="SavedView"),
        migrations.AlterField(
            model_name="savedview",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="saved_views",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(model_name="savedview", name="query", field=models.CharField(max_length=4000)),
        migrations.AddField(
            model_name="savedview",
            name="page",
            field=models.CharField(
                choices=[("inventory", "API keys"), ("activity", "Activity")],
                default="activity",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(model_name="savedview", name="shared", field=models.BooleanField(default=False)),
        migrations.AddField(
            model_name="savedview",
            name="name_order",
            field=Folded("name", default="", editable=False, max_length=180),
            preserve_default=False,
        ),
        migrations.RunPython(fold_names, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="savedview", index=models.Index("user", "page", name="saved_view_by_user")
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(
                condition=Q(("shared", False)),
                fields=("user", "page", "name_order"),
                name="saved_view_private_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(
                condition=Q(("shared", True)),
                fields=("page", "name_order"),
                name="saved_view_shared_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.CheckConstraint(
                condition=Q(("page__in", ["inventory", "activity"])), name="saved_view_page_is_known"
            ),
        ),
    ]
