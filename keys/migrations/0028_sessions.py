"""Store sessions under a hash of their id, with the person, instead of in Django's own table."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db import migrations, models
from django.db.migrations.recorder import MigrationRecorder

from keys.models.session import hash_of


class SessionStore(SessionBase):
    """Decode the data of sessions. Django signs it with the name of this class in the salt."""


def replace_table(apps: Any, schema_editor: Any) -> None:
    """Keep the rows, so that nobody has to sign in again."""
    connection, table, rows = schema_editor.connection, "django_session", []
    with connection.cursor() as cursor:
        if table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT session_key, session_data, expire_date FROM {table}")
            rows = [(hash_of(key), data, expires, _user(data)) for key, data, expires in cursor.fetchall()]
            cursor.execute(f"DROP TABLE {table}")
    schema_editor.create_model(apps.get_model("keys", "Session"))
    with connection.cursor() as cursor:
        insert = f"INSERT INTO {table} (session_key, session_data, expire_date, user_id)"
        cursor.executemany(f"{insert} VALUES (%s, %s, %s, %s)", rows)
    MigrationRecorder(connection).migration_qs.filter(app="sessions").delete()


def _user(data: str) -> int | None:
    user_id = SessionStore().decode(data).get(SESSION_KEY)
    return int(user_id) if user_id else None


class Migration(migrations.Migration):
    dependencies = [("keys", "0027_sign_in_provider")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Session",
                    fields=[
                        (
                            "session_key",
                            models.CharField(
                                max_length=40, primary_key=True, serialize=False, verbose_name="session key"
                            ),
                        ),
                        ("session_data", models.TextField(verbose_name="session data")),
                        ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                        ("handle", models.UUIDField(null=True, unique=True)),
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
                    options={
                        "db_table": "django_session",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("user__isnull", False)),
                                fields=["user", "expire_date"],
                                name="session_by_user",
                            )
                        ],
                    },
                )
            ]
        ),
        migrations.RunPython(replace_table, elidable=False),
    ]
