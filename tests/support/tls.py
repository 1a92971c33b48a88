"""An HTTPS server on this machine, with a certificate for a name that exists only in the tests."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "hooks.example"


@dataclass
class Hook:
    """A server's answer (``status``, ``location``) and the received requests: path, host, body."""

    port: int = 0
    status: int = 204
    location: str = ""
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def certificate(folder: Path, *, address: str = "", days: int = 1) -> Path:
    """Write a key and a self-signed certificate for NAME, or for an IP ``address``, to one file.

    It is valid for so many ``days`` from now; if they are negative, it has expired.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    named = x509.IPAddress(ipaddress.ip_address(address)) if address else x509.DNSName(NAME)
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def serving(pem: Path) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.tokens.append(self.headers["Authorization"])
            hook.headers.append({name.lower(): value for name, value in self.headers.items()})
            hook.taken.append((self.path, self.headers["Host"], body))
            self.send_response(hook.status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        hook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def known_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """Start a server whose name resolves to this machine and whose certificate is trusted."""
    pem = certificate(folder)
    trust(pem, monkeypatch)
    usual = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        return usual(host.replace(NAME, "127.0.0.1"), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with serving(pem) as hook:
        yield hook


def trust(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the certificates of this file the machine's trusted authorities."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
