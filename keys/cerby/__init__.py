"""Everything that speaks to Cerby: ``connect()`` gives the client that the settings describe."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.cerby.probe import PROBES, Access, Probe
from keys.cerby.probe import probe as probe_with
from keys.cerby.wire import IssuedKey, KeyStatus, Person, Secret, UpstreamKey, Vault

__all__ = [
    "PROBES",
    "Access",
    "CerbyClient",
    "IssuedKey",
    "KeyStatus",
    "Limits",
    "Person",
    "Probe",
    "Secret",
    "UpstreamKey",
    "Vault",
    "connect",
    "probe_key",
]


def connect() -> CerbyClient:
    """The process's one client for CERBY_BASE_URL, CERBY_TOKEN and CERBY_API_KEY; sends nothing yet.

    Raises ValueError where they cannot be used.
    """
    limits = Limits(**settings.CERBY_LIMITS)
    return _client(settings.CERBY_BASE_URL, settings.CERBY_TOKEN, settings.CERBY_API_KEY, limits)


def probe_key(secret: str) -> dict[Probe, Access]:
    """What the API key ``secret`` opens at CERBY_BASE_URL; see keys.cerby.probe. Raises ``CerbyError``."""
    return probe_with(settings.CERBY_BASE_URL, secret)


@cache
def _client(base_url: str, token: str, api_key: str, limits: Limits) -> CerbyClient:
    return CerbyClient(base_url, token=token or None, api_key=api_key or None, limits=limits)
