"""Talk to Cerby. ``connect()`` returns the client that the settings configure."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.cerby.probe import PROBES, Access, Probe
from keys.cerby.probe import probe as probe_with
from keys.cerby.wire import IssuedKey, KeyStatus, Mfa, Person, Secret, UpstreamKey, Vault

__all__ = [
    "PROBES",
    "Access",
    "CerbyClient",
    "IssuedKey",
    "KeyStatus",
    "Limits",
    "Mfa",
    "Person",
    "Probe",
    "Secret",
    "UpstreamKey",
    "Vault",
    "connect",
    "probe_key",
]


def connect() -> CerbyClient:
    """Return the process's client for CERBY_BASE_URL, CERBY_TOKEN and CERBY_API_KEY, without connecting.

    Raises ValueError if one of them is unusable.
    """
    limits = Limits(**settings.CERBY_LIMITS)
    return _client(settings.CERBY_BASE_URL, settings.CERBY_TOKEN, settings.CERBY_API_KEY, limits)


def probe_key(secret: str) -> dict[Probe, Access]:
    """Return the access that the API key ``secret`` has at CERBY_BASE_URL. Raises ``CerbyError``."""
    return probe_with(settings.CERBY_BASE_URL, secret)


@cache
def _client(base_url: str, token: str, api_key: str, limits: Limits) -> CerbyClient:
    return CerbyClient(base_url, token=token or None, api_key=api_key or None, limits=limits)
