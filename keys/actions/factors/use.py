"""Accept a second factor: the code of an app, a recovery code, or a passkey that was verified."""

from __future__ import annotations

import structlog
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt, encrypt
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.audit import log
from keys.crypto.factor_box import CannotDecryptError
from keys.evidence.factor_rows import is_recorded
from keys.models.factor import APP, CODES, codes_left
from keys.rules.events import Event
from keys.rules.permissions import Actor

NOT_RECORDED = "This second factor is not in the audit log: somebody changed the database without the portal."

logger = structlog.get_logger(__name__)


@sensitive_variables()
def period_of(secret: str, code: str, *, after: int = 0) -> int | None:
    """Return the period of 30 seconds to which ``code`` belongs, or None if it is wrong.

    The present period counts, and its neighbours, but none up to ``after``.
    """
    for period in yield_hotp_counters_from_time():
        expected = format_hotp_value(hotp_value(secret, period))
        if period > after and compare_user_code(actual=code, expected=expected):
            return int(period)
    return None


@sensitive_variables()
def secret_of(row: Authenticator) -> str:
    """Return the secret of an app, or "" if no key opens it."""
    try:
        return str(decrypt(row.data["secret"]))
    except CannotDecryptError:
        return ""


@sensitive_variables()
def use_code(actor: Actor, code: str, *, recovery: bool) -> Authenticator | None:
    """Return the app, or the recovery codes, whose ``code`` this is, or None. No code is accepted twice.

    ``recovery``: accept a recovery code, too.
    """
    kinds = [APP, CODES] if recovery else [APP]
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user_id=actor.user_id, type__in=kinds)
        for row in rows.order_by("pk"):
            try:
                is_right = _use_app(row, code) if row.type == APP else _use_recovery_code(actor, row, code)
            except CannotDecryptError:
                logger.exception("factor_not_decrypted", user_id=actor.user_id)
                continue
            if is_right:
                return row
    return None


def use_passkey(row: Authenticator) -> bool:
    """Note the use of a passkey. Return False if the audit log does not have it."""
    if not is_recorded(row):
        logger.error("row_contradicts_log", user_id=row.user_id)
        return False
    return bool(Authenticator.objects.filter(pk=row.pk).update(last_used_at=timezone.now()))


@sensitive_variables()
def _use_app(row: Authenticator, code: str) -> bool:
    secret = decrypt(row.data["secret"])
    period = period_of(secret, code, after=row.data["last_counter"])
    if period is None or not _has_event(row):
        return False
    # Encrypted anew, so that it needs no former SECRET_KEY from now on.
    row.data |= {"last_counter": period, "secret": encrypt(secret)}
    row.last_used_at = timezone.now()
    row.save(update_fields=["data", "last_used_at"])
    return True


@sensitive_variables()
def _use_recovery_code(actor: Actor, row: Authenticator, code: str) -> bool:
    codes = RecoveryCodes(row)
    if not _has_event(row) or not codes.validate_code(code):
        return False
    used = codes.instance
    used.data["seed"] = encrypt(decrypt(used.data["seed"]))
    used.last_used_at = timezone.now()
    used.save(update_fields=["data", "last_used_at"])
    row.data = used.data
    log.append(Event.RECOVERY_CODE_USED, actor=actor, factor=row.data["event"], remaining=codes_left(used))
    return True


def _has_event(row: Authenticator) -> bool:
    if is_recorded(row):
        return True
    logger.error("row_contradicts_log", user_id=row.user_id)
    return False
