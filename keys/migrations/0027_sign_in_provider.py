"""Add the links with the sign-in provider, and the visits to it."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0026_withdrawn_is_not_listed"),
    ]

    operations = [
        migrations.CreateModel(
            name="SsoLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=500)),
                ("subject", models.CharField(max_length=255)),
                ("linked_at", models.DateTimeField()),
                ("event_id", models.BigIntegerField(unique=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sso_links",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SsoRequest",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("session", models.CharField(db_index=True, max_length=64)),
                (
                    "purpose",
                    models.CharField(choices=[("sign-in", "Sign In"), ("step-up", "Step Up")], max_length=10),
                ),
                ("issuer", models.CharField(max_length=500)),
                ("next_path", models.CharField(blank=True, max_length=4000)),
                ("kept", models.TextField(blank=True)),
                ("started_at", models.DateTimeField(db_index=True)),
                (
                    "link",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="keys.ssolink",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="ssolink",
            constraint=models.UniqueConstraint(fields=("issuer", "subject"), name="sso_link_of_one_person"),
        ),
        migrations.AddConstraint(
            model_name="ssolink",
            constraint=models.UniqueConstraint(fields=("user", "issuer"), name="sso_link_one_per_provider"),
        ),
        migrations.AddConstraint(
            model_name="ssolink",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.GreaterThan(django.db.models.functions.text.Length("issuer"), 0),
                    django.db.models.lookups.GreaterThan(
                        django.db.models.functions.text.Length("subject"), 0
                    ),
                ),
                name="sso_link_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="ssorequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("link", None), ("purpose", "sign-in"), ("user", None)),
                    models.Q(("link__isnull", False), ("purpose", "step-up"), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="sso_request_is_for_one_purpose",
            ),
        ),
        migrations.AddConstraint(
            model_name="ssorequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(django.db.models.functions.text.Length("session"), 64)
                ),
                name="sso_request_has_a_session",
            ),
        ),
    ]
