"""Simulate a browser tab in the wizard: the data it sends, and the decryption of the new key."""

from __future__ import annotations

import base64
import uuid
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from keys.crypto import seal
from keys.models import ApiKey
from tests.pages.helpers import Response

NEW, DETAILS, SCOPES, GENERATE = (
    "/keys/new/",
    "/keys/new/details/",
    "/keys/new/scopes/",
    "/keys/new/generate/",
)
JSON = "application/json"


class Tab:
    """A P-256 key pair, as the wizard's page creates it. Only this tab can open keys that are sealed to it."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def public(self) -> str:
        return base64.urlsafe_b64encode(self.point).rstrip(b"=").decode()

    def open(self, sealed: str, *, key_id: UUID, user_id: int) -> str:
        info = seal.reveal_info(
            workspace="contenzilla", key_id=key_id, user_id=user_id, thumbprint=seal.thumbprint(self.point)
        )
        padded = sealed + "=" * (-len(sealed) % 4)
        return seal.SUITE.decrypt(base64.urlsafe_b64decode(padded), self._private, info).decode()


def answers(tab: Tab | None = None, **changes: Any) -> dict[str, Any]:
    """Return valid form data for the wizard, with ``changes``. A value of None removes the field."""
    filled = {
        "id": str(uuid.uuid4()),
        "tab_key": (tab or Tab()).public,
        "time_zone": "Europe/Berlin",
        "name": f"Nightly sync {uuid.uuid4().hex[:6]}",
        "expiration": "1d",
        "purpose": "Copies new people into the directory.",
        "scopes": ["read:users"],
    } | changes
    return {name: value for name, value in filled.items() if value is not None}


def generate(browser: Client, tab: Tab | None = None, **changes: Any) -> ApiKey:
    """Go through the whole wizard in one request. Afterwards the key waits for its one view."""
    sent = answers(tab, **changes)
    response = browser.post(GENERATE, sent)
    assert response.status_code == 302, response.content.decode()
    return ApiKey.objects.get(pk=sent["id"])


def claim(browser: Client, key: ApiKey) -> Response:
    """Claim the view, as the page's script does for Show and Copy."""
    return browser.post(f"/keys/{key.pk}/store/claim/", "{}", content_type=JSON, headers={"Accept": JSON})


def save(browser: Client, key: ApiKey, secret: Any, vault: Any = None) -> Response:
    """Save the key in Cerby, as the page's script does."""
    body = {"secret": secret, "vault": vault}
    return browser.post(f"/keys/{key.pk}/store/save/", body, content_type=JSON, headers={"Accept": JSON})


def viewed(browser: Client, **changes: Any) -> tuple[ApiKey, str]:
    """Return a key that its tab has just viewed, and its plain text."""
    tab = Tab()
    key = generate(browser, tab, **changes)
    sealed = claim(browser, key).json()["sealed"]
    key.refresh_from_db()
    return key, tab.open(sealed, key_id=key.pk, user_id=key.owner_id)
