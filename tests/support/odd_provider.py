"""A small OpenID Connect provider on a real socket, which answers as a test wants, also wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT, SECRET = "portal", "a secret of the client"


@dataclass
class OddProvider:
    """``port`` is the listener's. ``down`` makes every answer a 503. ``facts`` change the discovery document.

    ``requests`` counts the requests for each path. ``clock``: by how many seconds it is wrong.
    """

    port: int
    facts: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    requests: dict[str, int] = field(default_factory=dict)
    pages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    kid: str = "k1"
    redirects: tuple[str, ...] = ("http://testserver/accounts/sso/callback/",)
    clock: float = 0
    algorithm: str = "ES256"
    asks_to_sign_in: bool = False

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def renew_key(self, kid: str) -> None:
        self.key, self.kid = ec.generate_private_key(ec.SECP256R1()), kid

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "claims_supported": ["sub", "email", "email_verified", "auth_time", "acr"],
            **self.facts,
        }

    def jwks(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.kid, "use": "sig"}]}

    def answer(self, address: str, *, iss: str | None = "", **claims: Any) -> str:
        """Sign somebody in, who was sent to ``address``, and return the address to which they come back.

        ``claims`` change the ID token; None removes one. ``token`` replaces it. ``iss``: the parameter, or None
        for none.
        """
        asked = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_urlsafe(32)
        now = int(time.time())
        told = {
            "iss": self.issuer,
            "sub": "somebody",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": asked.get("nonce"),
            **({"auth_time": now} if "max_age" in asked else {}),
            **claims,
        }
        self.codes[code] = {"asked": asked, "claims": {k: v for k, v in told.items() if v is not None}}
        query = {"code": code, "state": asked["state"]}
        if iss is not None:
            query["iss"] = iss or self.issuer
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode(query)}"

    def redeem(self, form: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, Any]]:
        """Check the client and PKCE, as a real provider does, and return the tokens once."""
        pairs = [f"{CLIENT}:{secret}".encode() for secret in (quote(SECRET), SECRET)]
        granted = self.codes.pop(form.get("code", [""])[0], None)
        if authorization not in [f"Basic {base64.b64encode(pair).decode()}" for pair in pairs]:
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if granted is None or granted["asked"].get("code_challenge", challenge) != challenge:
            return 400, {"error": "invalid_grant"}
        claims = granted["claims"]
        return 200, {
            "access_token": "at",
            "token_type": "Bearer",
            "id_token": claims.pop("token", None) or self.sign(claims),
        }

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": self.kid, **header})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: OddProvider


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        provider = self.server.provider
        pages = {
            "/.well-known/openid-configuration": provider.discovery,
            "/jwks": provider.jwks,
            "/userinfo": lambda: provider.facts.get("about", {"sub": "id-of-admin"}),
        }
        if self.path.startswith("/authorize?"):  # nobody is there to be asked
            asked = dict(parse_qsl(urlsplit(self.path).query))
            if provider.asks_to_sign_in:
                self._send(401, b"")
                return
            known = asked["redirect_uri"] in provider.redirects
            self._send(
                *((302, f"{asked['redirect_uri']}?error=login_required".encode()) if known else (400, b""))
            )
            return
        self._send(*(provider.pages.get(self.path) or (200, json.dumps(pages[self.path]()).encode())))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, tokens = self.server.provider.redeem(parse_qs(body), self.headers.get("Authorization", ""))
        self._send(*(self.server.provider.pages.get(self.path) or (status, json.dumps(tokens).encode())))

    def _send(self, status: int, body: bytes) -> None:
        provider = self.server.provider
        provider.requests[self.path] = provider.requests.get(self.path, 0) + 1
        self.send_response_only(503 if provider.down else status)
        if 300 <= status < 400:
            self.send_header("Location", body.decode())
        self.send_header("Content-Type", "application/json")
        self.send_header("Date", formatdate(time.time() + provider.clock, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[OddProvider]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = OddProvider(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.provider
        server.shutdown()
        thread.join()


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
