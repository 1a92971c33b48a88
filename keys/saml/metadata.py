"""Read the sign-in provider's metadata: the address for requests, and its certificates."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from keys.delivery.https import NotDelivered, exchange
from keys.rules.errors import ProviderDown
from keys.saml.xml import Unreadable, bare, find, parse
from portal.variables import is_loopback

LARGEST = 1_000_000
SECONDS = 5.0
"""To fetch the metadata. A person waits for it."""
FRESH = timedelta(hours=1)
KEPT = timedelta(hours=24)
"""How long the last metadata is used if the provider does not answer."""
RETRY = timedelta(minutes=1)
"""The least time between two requests for the metadata because of an unknown signature."""
PAUSE = timedelta(seconds=10)
"""The least time between two requests if nothing is known, so that people do not queue for an answer."""
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Provider:
    """``certificates``: DER in base64, one line each; several while the provider changes its key.

    ``wants_signed_requests``: it says so, although some providers then accept unsigned ones.
    """

    sign_in_url: str
    certificates: tuple[str, ...]
    wants_signed_requests: bool


class _Cache:
    """Keep the metadata in this process: nobody who can write to the database can replace a certificate."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.provider: Provider | None = None
        self.error: ProviderDown | None = None
        self.source = ("", "")
        self.read_at = self.tried_at = float("-inf")


_cache = _Cache()


def saml_provider(*, at_least: float | None = None) -> Provider:
    """Return the provider, from memory if it was read within ``FRESH``.

    ``at_least``: a ``time.monotonic()``; metadata that was read before it is read again, at most once in
    ``RETRY``. Raises ``ProviderDown``, with the reason as a sentence.
    """
    with _cache.lock:
        if _cache.source != _source():
            _cache.forget()
            _cache.source = _source()
        now = time.monotonic()
        wanted = max(now - FRESH.total_seconds(), at_least or 0.0)
        if _cache.provider and (_cache.read_at >= wanted or now - _cache.tried_at < RETRY.total_seconds()):
            return _cache.provider
        if _cache.error and now - _cache.tried_at < PAUSE.total_seconds():
            raise _cache.error
        _cache.tried_at = now
        try:
            _cache.provider, _cache.read_at = read_metadata(fetch()[0]), now
        except ProviderDown as error:
            if _cache.provider is None or now - _cache.read_at > KEPT.total_seconds():
                _cache.provider, _cache.error = None, error
                raise
            logger.warning("saml_metadata_kept", reason=error.sentence)
        _cache.error = None
        return _cache.provider


def sign_in_url_if_known() -> str:
    """Return the provider's address if this process has read it, else "", without asking the provider."""
    return _cache.provider.sign_in_url if _cache.provider else ""


def forget_metadata() -> None:
    """Read the metadata again when it is needed next."""
    with _cache.lock:
        _cache.forget()


def _source() -> tuple[str, str]:
    where = settings.PORTAL_SAML_METADATA_URL or str(settings.PORTAL_SAML_METADATA_FILE or "")
    return settings.PORTAL_SAML_ISSUER, where


def fetch() -> tuple[bytes, str]:
    """Return the metadata from the address or file in the settings, and the date that the server tells."""
    if not settings.PORTAL_SAML_METADATA_URL:
        try:
            with Path(settings.PORTAL_SAML_METADATA_FILE or "").open("rb") as file:
                return file.read(LARGEST + 1), ""
        except OSError as error:
            raise ProviderDown(f"PORTAL_SAML_METADATA_FILE cannot be read: {error.strerror}.") from error
    url = settings.PORTAL_SAML_METADATA_URL
    host = urlsplit(url).hostname or ""
    try:
        answer = exchange(
            url,
            seconds=SECONDS,
            largest=LARGEST,
            headers={"Accept": "application/samlmetadata+xml, application/xml, text/xml"},
            private=settings.PORTAL_SAML_PRIVATE,
            loopback=is_loopback(host),
            ca_file=settings.PORTAL_SAML_CA_FILE,
        )
    except NotDelivered as error:
        raise ProviderDown(error.sentence) from error
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise ProviderDown(f"{host} answered {answer.status} to the request for its metadata.")
    return answer.body, answer.date


def read_metadata(document: bytes) -> Provider:
    """Return the provider PORTAL_SAML_ISSUER, which ``document`` must describe. Raises ``ProviderDown``."""
    try:
        root = parse(bare(document, largest=LARGEST))
    except Unreadable as error:
        raise ProviderDown(f"The metadata cannot be read. {error.sentence}") from error
    named = [
        one
        for one in find(root, "//md:EntityDescriptor")
        if one.get("entityID") == settings.PORTAL_SAML_ISSUER
    ]
    descriptors = [role for one in named for role in find(one, "md:IDPSSODescriptor")]
    if len(descriptors) != 1:
        others = ", ".join(str(name)[:200] for name in find(root, "//md:EntityDescriptor/@entityID")[:3])
        raise ProviderDown(
            f"The metadata describes {others or 'nobody'}, but PORTAL_SAML_ISSUER is "
            f"{settings.PORTAL_SAML_ISSUER!r}. Set it to the entity ID of your provider."
        )
    descriptor = descriptors[0]
    _refuse_expired(root)
    addresses = find(descriptor, f"md:SingleSignOnService[@Binding='{REDIRECT}']/@Location")
    if not addresses:
        raise ProviderDown(
            "The metadata has no SingleSignOnService with the binding HTTP-Redirect. "
            "Turn that binding on at the provider."
        )
    certificates = find(
        descriptor, "md:KeyDescriptor[not(@use='encryption')]/ds:KeyInfo/ds:X509Data/ds:X509Certificate"
    )
    if not certificates:
        raise ProviderDown("The metadata has no certificate for signatures. Let the provider publish one.")
    return Provider(
        sign_in_url=_checked(str(addresses[0])),
        certificates=tuple(dict.fromkeys("".join("".join(one.itertext()).split()) for one in certificates)),
        wants_signed_requests=descriptor.get("WantAuthnRequestsSigned") in {"true", "1"},
    )


def _refuse_expired(root: Any) -> None:
    for text in find(root, "//@validUntil"):
        try:
            expired = moment(text) <= datetime.now(tz=UTC)
        except ValueError:
            expired = True
        if expired:
            raise ProviderDown(f"The metadata was valid until {text[:40]}.")


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ProviderDown("The address for signing in that the metadata names is not an https:// address.")
    return url


def moment(text: str) -> datetime:
    """Return a time of SAML, which is always UTC. Raises ``ValueError``."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
