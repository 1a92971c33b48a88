"""A passkey and an authenticator app in software, for tests at the portal's URLs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import struct
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.totp.internal import auth
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256

from keys.models import User

ORIGIN, RP_ID = "http://localhost:8000", "localhost"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


@dataclass
class Passkey:
    """One resident passkey. ``flags`` and ``origin`` can be wrong, to see that the portal notices."""

    origin: str = ORIGIN
    rp_id: str = RP_ID
    flags: int = PRESENT | VERIFIED
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: str = ""

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        self.handle = options["user"]["id"]
        public = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        attested = b"\0" * 16 + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(ATTESTED) + attested
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": text(self._client("create", options)),
            "attestationObject": text(attestation),
        }
        return self._answer(response)

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        client, data = self._client("get", options), self._data()
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(data),
                "signature": text(signed),
                "userHandle": self.handle,
            }
        )

    def _data(self, more: int = 0) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", self.flags | more, 0)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": f"webauthn.{kind}", "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(said | {"crossOrigin": False}).encode()

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {"credProps": {"rk": True}},
        }


def handle_of(user: User) -> str:
    """Return the handle by which passkeys name ``user``."""
    return text(user_pk_to_url_str(user).encode())


def options_of(browser: Client, url: str) -> dict[str, Any]:
    response = browser.post(
        url, "{}", content_type="application/json", headers={"accept": "application/json"}
    )
    assert response.status_code == 200, response.content
    return response.json()["publicKey"]


def hold_clock(monkeypatch: pytest.MonkeyPatch, *, periods: int = 0) -> None:
    """Stop the clock of codes in the middle of this period, or ``periods`` of 30 seconds later.

    Otherwise a period may end between two steps of a test.
    """
    middle = (int(auth.time.time()) // 30 + periods) * 30 + 15
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: middle))


def code_of(secret: str, *, periods: int = 0) -> str:
    """Return the code that an app shows now, or ``periods`` of 30 seconds later."""
    return auth.format_hotp_value(auth.hotp_value(secret, int(auth.time.time()) // 30 + periods))


def add_passkey(browser: Client, name: str = "Laptop", **wrong: Any) -> tuple[Passkey, Any]:
    passkey = Passkey(**wrong)
    answer = passkey.create(options_of(browser, "/account/passkeys/options/"))
    return passkey, browser.post("/account/passkeys/add/", {"name": name, "credential": json.dumps(answer)})


def use_passkey(browser: Client, passkey: Passkey, url: str, **more: str) -> Any:
    answer = passkey.get(options_of(browser, "/accounts/passkey/options/"))
    return browser.post(url, {"credential": json.dumps(answer), **more})


def form_of(browser: Client, *, periods: int = -1) -> dict[str, str]:
    """Return the form that adds an app with the code of the period before, and the secret."""
    page = browser.get("/account/authenticator/add/").content.decode()
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
    box = re.search(r'name="box" value="([^"]+)"', page)[1]
    return {"box": box, "code": code_of(secret, periods=periods), "secret": secret}


def add_app(browser: Client, *, periods: int = -1) -> tuple[str, Any]:
    """Add an app with the code of the period before. Return its secret, and the answer."""
    form = form_of(browser, periods=periods)
    return form["secret"], browser.post("/account/authenticator/add/", form)


def codes_in(response: Any) -> list[str]:
    return re.findall(r"<li><code>(\d{5} \d{5})</code>", response.content.decode())
