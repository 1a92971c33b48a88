"""Check the configuration for SAML, and say what to enter at the provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings

from keys.crypto.certificate import key_fits, read_certificate
from keys.delivery.https import remedy
from keys.rules.errors import ProviderDown
from keys.saml.metadata import Provider, fetch, read_metadata
from keys.saml.request import consumer_url, name_id_format, own_entity_id
from keys.saml.response import EMAIL_ATTRIBUTES

SOON = timedelta(days=30)
MOST_SKEW = 5
"""Seconds. By more than that, a confirmation may seem to be older than its request."""


@dataclass(frozen=True)
class Finding:
    text: str
    is_problem: bool = False


def check() -> Iterator[Finding]:
    """Yield what was found, problems and good news alike."""
    yield from _own_key()
    try:
        document, date = fetch()
        known = read_metadata(document)
    except ProviderDown as error:
        said = f"{error.sentence} {remedy(error.__cause__, 'PORTAL_SAML')}".strip()
        source = "URL" if settings.PORTAL_SAML_METADATA_URL else "FILE"
        advice = "" if "PORTAL_" in said else f" Check PORTAL_SAML_METADATA_{source}."
        yield Finding(f"{said}{advice}", is_problem=True)
        return
    yield Finding(f"The metadata of {settings.PORTAL_SAML_ISSUER} was read: {len(document):,} bytes.")
    yield Finding(f"Requests go to {known.sign_in_url}.")
    yield from _certificates(known)
    if known.wants_signed_requests and not settings.PORTAL_SAML_KEY:
        yield Finding(
            "The provider's metadata wants signed requests, and ours are not signed. If the provider refuses "
            "them, set PORTAL_SAML_KEY and PORTAL_SAML_CERTIFICATE."
        )
    yield from _clock(date)


def to_enter() -> list[tuple[str, str]]:
    """Return what the provider must know about the portal."""
    return [
        ("Assertion consumer service (reply URL), with HTTP POST", consumer_url()),
        ("Entity ID (audience)", own_entity_id()),
        ("Metadata with both", own_entity_id() if not settings.PORTAL_SAML_ENTITY_ID else ""),
        ("Format of the name ID", name_id_format()),
        (
            "Attribute with the email",
            settings.PORTAL_SAML_EMAIL_ATTRIBUTE or f"{EMAIL_ATTRIBUTES[0]}, or a usual name",
        ),
        ("Signature", "of the assertion, the response or both, with SHA-256"),
    ]


def _own_key() -> Iterator[Finding]:
    if not settings.PORTAL_SAML_KEY:
        return
    try:
        fits = key_fits(settings.PORTAL_SAML_KEY, settings.PORTAL_SAML_CERTIFICATE)
    except ValueError:
        yield Finding(
            "PORTAL_SAML_KEY or PORTAL_SAML_CERTIFICATE cannot be read; both must be in PEM form, and the "
            "key not encrypted.",
            is_problem=True,
        )
        return
    yield Finding(
        "PORTAL_SAML_KEY fits PORTAL_SAML_CERTIFICATE."
        if fits
        else "PORTAL_SAML_KEY does not fit PORTAL_SAML_CERTIFICATE.",
        is_problem=not fits,
    )


def _certificates(known: Provider) -> Iterator[Finding]:
    now = datetime.now(tz=UTC)
    for text in known.certificates:
        try:
            one = read_certificate(text)
        except ValueError:
            yield Finding("A certificate in the metadata cannot be read.", is_problem=True)
            continue
        until = f"{one.expires_at:%d %B %Y}".lstrip("0")
        said = f"Certificate of {one.subject} ({one.key}), valid until {until}."
        if one.is_weak:
            said += " Its key is too short: the provider must use RSA with 2,048 bits, or an elliptic curve."
        if one.expires_at < now:
            said += (
                " It has expired. The portal still accepts it while the metadata lists it. Let the provider "
                "publish a new one."
            )
        elif one.expires_at < now + SOON:
            said += (
                " Soon, the provider must publish the next one in its metadata, where the portal finds it."
            )
        yield Finding(said, is_problem=one.is_weak or one.expires_at < now)


def _clock(date: str) -> Iterator[Finding]:
    try:
        seconds = round((datetime.now(tz=UTC) - parsedate_to_datetime(date)).total_seconds())
    except (TypeError, ValueError):
        yield Finding("The provider does not say what time it is there. Check both clocks yourself.")
        return
    far = abs(seconds) > MOST_SKEW
    said = f"The provider's clock differs by {abs(seconds)} seconds from ours."
    advice = f" At most {MOST_SKEW} are allowed. Synchronise this machine's clock (NTP)."
    yield Finding(f"{said}{advice}" if far else said, is_problem=far)
