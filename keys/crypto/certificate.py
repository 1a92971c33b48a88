"""Read X.509 certificates: whose they are, how long they are valid, and whether a private key fits."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SHORTEST_RSA = 2048


@dataclass(frozen=True)
class Certificate:
    """``key``: kind and length of the public key, such as "RSA, 2048 bits". ``is_weak``: it is too short."""

    subject: str
    expires_at: datetime
    key: str
    is_weak: bool


def read_certificate(text: str) -> Certificate:
    """Return the facts of a certificate in PEM form, or of its base64 alone. Raises ``ValueError``."""
    found = _parsed(text)
    public = found.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        key, is_weak = f"RSA, {public.key_size} bits", public.key_size < SHORTEST_RSA
    elif isinstance(public, ec.EllipticCurvePublicKey):
        key, is_weak = f"elliptic curve, {public.key_size} bits", False
    else:
        key, is_weak = "a key that SAML does not use", True
    return Certificate(found.subject.rfc4514_string(), found.not_valid_after_utc, key, is_weak)


def key_fits(key: str, certificate: str) -> bool:
    """Return whether the private key, in PEM form, belongs to the certificate. Raises ``ValueError``."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError as error:
        raise ValueError("the key is encrypted") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own: bytes = private.public_key().public_bytes(*form)
    return own == _parsed(certificate).public_key().public_bytes(*form)


def _parsed(text: str) -> x509.Certificate:
    if "-----BEGIN" in text:
        return x509.load_pem_x509_certificate(text.encode())
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
    except binascii.Error as error:
        raise ValueError("it is not base64") from error
