"""Prepare committed data for an action: the cast, the sandbox, and keys in any state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as portal
from django.http import QueryDict
from django.utils import timezone

from keys.actions.bulk.freeze import freeze_ticked
from keys.crypto import fingerprint
from keys.models import ApiKey, RevealGrant, SavedView, Selection
from keys.rules.lifecycle import State
from keys.validation.new_key import KeyRequest
from sandbox import Sandbox
from tests.cast import Cast, a_live_key

TAB_KEY = (
    ec.derive_private_key(7, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)


@dataclass(frozen=True)
class Scene:
    """Data that is committed, so that a failing action is rolled back by its own transaction, not by the test's."""

    cast: Cast
    sandbox: Sandbox
    ids: dict[str, str]
    me: Any
    """The actor: the cast's admin."""

    def key(self, **columns: Any) -> uuid.UUID:
        """Create a key of the admin's, in the sandbox too."""
        return a_live_key(self.sandbox, self.cast.admin, **columns)[0].id

    def selection(self) -> uuid.UUID:
        return freeze_ticked(self.me, [self.key()], QueryDict()).pk

    def running_selection(self) -> uuid.UUID:
        made = self.selection()
        Selection.objects.filter(pk=made).update(act="remind", started_at=timezone.now())
        return made

    def view(self) -> int:
        """Create a view that the admin shares, without its event."""
        facts = {"page": "inventory", "name": "Expired", "query": "status=expired", "shared": True}
        return SavedView.objects.create(user=self.cast.admin, **facts).pk

    def viewed_key(self) -> tuple[uuid.UUID, str]:
        key, plain = a_live_key(self.sandbox, self.cast.admin, state=State.CLAIMED, stored_at=None)
        print_ = fingerprint.compute(plain, peppers=portal.PORTAL_PEPPERS)
        ApiKey.objects.filter(pk=key.pk).update(pepper_id=print_.pepper_id, fingerprint=print_.digest)
        return key.id, plain

    def waiting_key(self, *, since: timedelta = timedelta(0), state: State = State.READY) -> uuid.UUID:
        """Create a key that has waited for its one view for ``since``."""
        key_id = self.key(state=state, stored_at=None)
        RevealGrant.objects.create(
            key_id=key_id,
            user=self.cast.admin,
            sealed=b"sealed",
            thumbprint="thumbprint",
            expires_at=timezone.now() + timedelta(minutes=15) - since,
        )
        return key_id

    def request(self) -> KeyRequest:
        return KeyRequest(
            id=uuid.uuid4(),
            name="Nightly export",
            purpose="To test with.",
            expires_at=timezone.now().replace(microsecond=0) + timedelta(days=5),
            scopes=("read:users",),
            tab_key=TAB_KEY,
        )
