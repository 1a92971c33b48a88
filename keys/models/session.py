"""Store sessions under a hash of their id, with the person who is signed in. Django's session engine."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from keys.models.user import User

STARTED, SEEN, ADDRESS, BROWSER = "started_at", "seen_at", "ip", "browser"
"""Names in a session's data."""
BEGUN = "sign_in_begun"
"""The person who has yet to show a second factor, and the hash that their sessions had at the first step."""
BEFORE = "sign_in_before"
"""The person's sign-in before the one of this session, and how many attempts failed in between."""
HANDLE = "handle"
"""The session's name on pages. It stays the same when the session gets a new id."""


class Session(AbstractBaseSession):
    """A browser's session. ``session_key`` is a hash, so nobody can use a session with a copy of its row.

    ``user`` is empty until a person has given their password, and ``handle`` until they are signed in.
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, db_index=False)
    handle = models.UUIDField(null=True, unique=True)

    class Meta:
        db_table = "django_session"  # it replaces Django's own table
        indexes = (
            models.Index(
                fields=["user", "expire_date"], name="session_by_user", condition=Q(user__isnull=False)
            ),
        )

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


def hash_of(session_id: str) -> str:
    """Return the key of the session's row. The id is random enough that its hash needs no salt."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:40]


class SessionStore(DatabaseStore):
    """Read and write rows of ``Session`` by the hash of the id in the cookie."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        key = hash_of(self.session_key or "")
        row = Session.objects.filter(pk=key, expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
            return {}
        return dict(self.decode(row.session_data))

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(pk=hash_of(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return Session(
            session_key=hash_of(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=data.get(SESSION_KEY) or data.get(BEGUN, {}).get("user"),
            handle=data.get(HANDLE),
        )

    def delete(self, session_key: str | None = None) -> None:
        Session.objects.filter(pk=hash_of(session_key or self.session_key or "")).delete()

    def cycle_key(self) -> None:
        """Give the session a new id, unless it was ended meanwhile: then raise ``SessionInterrupted``.

        Django would create a new session with the data of the ended one.
        """
        data, old = self._session, self.session_key  # type: ignore[attr-defined]
        with transaction.atomic():
            if old and not Session.objects.filter(pk=hash_of(old)).delete()[0]:
                raise SessionInterrupted
            self.create()
        self._session_cache = data
