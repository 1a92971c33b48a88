"""Read the addresses and the public keys that the sign-in provider publishes.

Both stay in the memory of the process, not in the database: a person who can write to the database must not
be able to replace a public key.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from django.conf import settings

from keys.delivery.https import Answer, NotDelivered, exchange
from keys.rules.errors import ProviderDown, ProviderError, ProviderRefused
from portal.conf import Environment

OK = 200
LATER = "Try again later, or sign in another way."
SECONDS = 5.0
"""For each request to the provider, from looking up its name to the last byte."""
LARGEST = 512 * 1024
KEPT_FOR = 60 * 60
"""Seconds after which the addresses and keys are read again."""
PAUSE = 10
"""Seconds after a failure in which nobody else waits for the provider's description."""
REREAD_AFTER = 60
"""Seconds between two readings of the keys because a token names an unknown one."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key. Neither "none" nor HS256, whose key would be a text that everybody knows."""
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass
class Provider:
    """The provider with the address ``issuer``, by its own description ``facts``, read at ``read_at``."""

    issuer: str
    facts: Mapping[str, Any] = field(repr=False)
    read_at: float
    _keys: list[Mapping[str, Any]] = field(default_factory=list, repr=False)
    _keys_read_at: float = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def address(self, name: str) -> str:
        """Return one of the addresses, such as "token_endpoint", or raise ``ProviderRefused``."""
        value = self.facts.get(name)
        if not isinstance(value, str) or not value:
            raise ProviderRefused(f"The sign-in provider publishes no {name}.")
        return value

    def lists(self, name: str, value: str) -> bool | None:
        """Return whether the list ``name`` contains ``value``, or None if the provider publishes no such
        list.
        """
        listed = self.facts.get(name)
        return value in listed if isinstance(listed, list) else None

    @property
    def sends_iss(self) -> bool:
        """Return whether each answer names the issuer (RFC 9207)."""
        return self.facts.get("authorization_response_iss_parameter_supported") is True

    @property
    def sends_auth_time(self) -> bool | None:
        """Return whether the provider lists ``auth_time``, or None if it lists no claims."""
        return self.lists("claims_supported", "auth_time")

    def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the public key for a signature, and read the keys again if it is unknown.

        Raises ``ProviderDown`` and ``ProviderRefused``.
        """
        if algorithm not in ALGORITHMS:
            raise ProviderRefused("The sign-in provider's answer is not signed with an allowed algorithm.")
        with self._lock:
            now = time.monotonic()
            if not self._keys or now - self._keys_read_at > KEPT_FOR:
                self._read_keys(now)
            found = self._find(kid, algorithm)
            if found is None and now - self._keys_read_at > REREAD_AFTER:
                self._read_keys(now)
                found = self._find(kid, algorithm)
        if found is None:
            raise ProviderRefused(
                "The sign-in provider's answer is signed with a key that it does not publish."
            )
        try:
            return jwt.PyJWK(dict(found), algorithm=algorithm)
        except jwt.PyJWTError as error:
            raise ProviderRefused("The sign-in provider publishes a key that cannot be read.") from error

    def usable_keys(self) -> int:
        """Read the public keys, and return how many can check a signature."""
        with self._lock:
            self._read_keys(time.monotonic())
        return sum(any(_fits(key, algorithm) for algorithm in ALGORITHMS) for key in self._keys)

    def _read_keys(self, now: float) -> None:
        listed = read_json(self.address("jwks_uri")).get("keys")
        self._keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
        self._keys_read_at = now

    def _find(self, kid: str | None, algorithm: str) -> Mapping[str, Any] | None:
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        named = [key for key in fitting if kid is not None and key.get("kid") == kid]
        if kid is None and len(fitting) == 1:
            return fitting[0]
        return named[0] if named else None


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    return (
        key.get("kty") == KEY_TYPES[algorithm[:2]]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    )


_known: dict[str, Provider] = {}
_failed: dict[str, tuple[float, ProviderError]] = {}
_known_lock = threading.Lock()


def current_provider() -> Provider:
    """Return the provider of the settings, read at most an hour ago.

    Raises ``ProviderDown`` if it does not answer, and ``ProviderRefused`` if it is another one. One thread
    asks it, and the others get the same answer: people who wait must not occupy the web server.
    """
    issuer = settings.PORTAL_OIDC_ISSUER
    known = _if_fresh(issuer)
    if known is not None:
        return known
    with _known_lock:
        known = _if_fresh(issuer)
        if known is not None:
            return known
        failed_at, former = _failed.get(issuer, (float("-inf"), None))
        if former is not None and time.monotonic() - failed_at < PAUSE:
            raise type(former)(former.sentence) from former
        try:
            _known[issuer] = known = _read(issuer)
        except ProviderError as error:
            _failed[issuer] = (time.monotonic(), error)
            raise
        return known


def _if_fresh(issuer: str) -> Provider | None:
    known = _known.get(issuer)
    return known if known is not None and time.monotonic() - known.read_at <= KEPT_FOR else None


def provider_if_known() -> Provider | None:
    """Return the provider if this process has read it, without asking it."""
    return _known.get(settings.PORTAL_OIDC_ISSUER)


def forget() -> None:
    """Read the provider again next time."""
    _known.clear()
    _failed.clear()


def description_of(issuer: str) -> str:
    """Return the address of the description (OpenID Connect Discovery 1.0, section 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def _read(issuer: str) -> Provider:
    facts = read_json(description_of(issuer))
    if facts.get("issuer") != issuer:
        raise ProviderRefused(
            f"The provider calls itself {str(facts.get('issuer'))[:200]!r}, but PORTAL_OIDC_ISSUER is "
            f"{issuer!r}."
        )
    return Provider(issuer, facts, time.monotonic())


def read_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at ``url``. Raises ``ProviderDown``."""
    status, value = send(url, headers=headers)
    if status != OK:
        raise ProviderDown(f"The sign-in provider answers {status}. {LATER}")
    return value


def send(
    url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a request to the provider, and return the status and the JSON object. Raises ``ProviderDown``."""
    answer = ask(url, form=form, headers=headers)
    return answer.status, _object(answer)


def ask(
    url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send a request to the provider, and return the answer, whatever its status. Raises ``ProviderDown``."""
    try:
        return exchange(
            url,
            seconds=SECONDS,
            largest=LARGEST,
            form=form,
            headers=headers,
            private=settings.PORTAL_OIDC_PRIVATE,
            loopback=settings.PORTAL_ENV == Environment.DEMO,
            ca_file=settings.PORTAL_OIDC_CA_FILE,
        )
    except NotDelivered as error:
        raise ProviderDown(f"The sign-in provider cannot be reached. {error.sentence} {LATER}") from error


def _object(answer: Answer) -> dict[str, Any]:
    """Return the JSON object. The page of an error may have none, and its status says enough."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) and answer.status != OK:
        return {}
    if not isinstance(value, dict):
        raise ProviderDown(f"The sign-in provider's answer cannot be read. {LATER}")
    return value
