"""Name the kinds of second factors, which allauth.mfa stores in ``Authenticator``.

Beside allauth's own values, ``data`` has ``event``: the id of the audit event that added the factor, and

- for an app: ``last_counter``, the period of the last accepted code, so that no code is accepted twice;
- for recovery codes: ``count``, how many there were.
"""

from __future__ import annotations

from allauth.mfa.models import Authenticator

APP, PASSKEY, CODES = (
    Authenticator.Type.TOTP,
    Authenticator.Type.WEBAUTHN,
    Authenticator.Type.RECOVERY_CODES,
)
METHODS: dict[str, str] = {APP: "app", PASSKEY: "passkey", CODES: "recovery code"}
"""The names in audit events."""
FEW_CODES = 3
"""With so many unused recovery codes, or fewer, a person should generate new ones."""


def has_factor(user_id: int) -> bool:
    """Return whether the person has a passkey or an authenticator app. Recovery codes alone do not count."""
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=[APP, PASSKEY]).exists())


def kinds_of_factors(user_id: int) -> dict[int, str]:
    """Return the kind of each factor of the person, and of their recovery codes, by the number of its row."""
    return dict(Authenticator.objects.filter(user_id=user_id).values_list("pk", "type"))


def has_passkey(user_id: int) -> bool:
    return bool(Authenticator.objects.filter(user_id=user_id, type=PASSKEY).exists())


def codes_left(codes: Authenticator) -> int:
    """Return how many of the recovery codes are unused, without decrypting them."""
    used: int = codes.data["used_mask"]
    return int(codes.data["count"]) - used.bit_count()
