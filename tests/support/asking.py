"""Request a key from a scripted Cerby: the request, matching answers, and the recorded events."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from keys.models import AuditEvent
from keys.validation.new_key import KeyRequest
from tests.support.bad_server import Conversation, Server, data, made_key

TAB = ec.generate_private_key(ec.SECP256R1())
TAB_KEY = TAB.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
THE_POST = "POST /api/v1/api-keys HTTP/1.1"
ASKED_ONCE = ["key:request", "key:call"]

Script = Callable[..., Server]


def a_request(**changes: Any) -> KeyRequest:
    asked: dict[str, Any] = {
        "id": uuid.uuid4(),
        "name": "Nightly export",
        "purpose": "To test with.",
        "expires_at": (timezone.now() + timedelta(days=5)).replace(microsecond=0),
        "scopes": ("read:users",),
        "tab_key": TAB_KEY,
    }
    return KeyRequest(**asked | changes)


def answer(conversation: Conversation, *, resource: Callable[..., dict] = made_key, **changes: Any) -> bytes:
    """Return a valid response to the request, with ``changes``."""
    asked = conversation.server.body()["data"]["attributes"]
    echoed = {name: asked[name] for name in ("name", "scopes", "ownerId", "expiresAt", "externalId")}
    echoed["createdAt"] = datetime.now(tz=UTC).isoformat()
    return data(resource(**echoed | changes), 201)


def send(**changes: Any) -> Callable[[Conversation], None]:
    return lambda conversation: conversation.send(answer(conversation, **changes))


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("type", flat=True))
