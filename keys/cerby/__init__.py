"""Talk to Cerby. ``connect()`` returns the client that the settings configure."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from keys.cerby import credentials, dropped
from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.cerby.listed import UnreadableItem, UnreadableKey
from keys.cerby.probe import PROBES, Access, Probe
from keys.cerby.probe import probe as probe_with
from keys.cerby.wire import IssuedKey, KeyStatus, Mfa, Person, Secret, UpstreamKey, Vault

__all__ = [
    "A_PERSON_WAITS",
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
    "UnreadableItem",
    "UnreadableKey",
    "UpstreamKey",
    "Vault",
    "connect",
    "probe_key",
]


A_PERSON_WAITS = 20.0
"""Seconds for a list that a person waits for, however many pages it has."""


def connect() -> CerbyClient:
    """Return the process's client for the settings CERBY_*, without connecting.

    A credential in a file that was renewed gives a new client. In assisted mode, the client makes only calls
    that Cerby publishes. Raises ValueError if a setting is unusable.
    """
    return _client(
        settings.CERBY_BASE_URL,
        token=credentials.current(credentials.TOKEN),
        api_key=credentials.current(credentials.API_KEY),
        limits=Limits(**settings.CERBY_LIMITS),
        ca_file=settings.CERBY_CA_FILE,
        manages_keys=settings.CERBY_ISSUE_MODE != "assisted",
    )


def probe_key(secret: str) -> dict[Probe, Access]:
    """Return the access that the API key ``secret`` has at CERBY_BASE_URL. Raises ``CerbyError``."""
    return probe_with(settings.CERBY_BASE_URL, secret, ca_file=settings.CERBY_CA_FILE)


@lru_cache(maxsize=4)  # the settings of one process differ only by renewed credentials
def _client(
    base_url: str, *, token: str, api_key: str, limits: Limits, ca_file: str, manages_keys: bool
) -> CerbyClient:
    return CerbyClient(
        base_url,
        token=token or None,
        api_key=api_key or None,
        limits=limits,
        ca_file=ca_file,
        manages_keys=manages_keys,
        on_answer=credentials.note_answer,
        on_list=dropped.note_list,
    )
