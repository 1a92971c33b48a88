"""Generate recovery codes, which replace the earlier ones."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.utils import encrypt
from django.conf import settings
from django.db import transaction

from keys.audit import log
from keys.evidence.factor_rows import digest_of_row
from keys.models import User
from keys.models.factor import CODES, has_factor
from keys.rules.errors import Conflict, ShownOnce
from keys.rules.events import Event
from keys.rules.permissions import Actor


def make_codes(actor: Actor, *, replaces: int) -> list[str]:
    """Return new recovery codes of ``actor``. Nothing returns them again.

    ``replaces``: the number of the row that the person saw, or 0. Raises ``Conflict`` if there is another one
    by now, for example because the page was loaded again, and if the person has no second factor.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=actor.user_id)
        present = Authenticator.objects.filter(user_id=actor.user_id, type=CODES).first()
        if (present.pk if present else 0) != replaces:
            raise ShownOnce("Recovery codes were generated in the meantime.")
        if not has_factor(actor.user_id):
            raise Conflict("Recovery codes stand in for a second factor. Add a passkey or an app first.")
        return replace_codes(actor)


def replace_codes(actor: Actor) -> list[str]:
    """Do the same in the caller's transaction, which holds the lock on the person's row."""
    Authenticator.objects.filter(user_id=actor.user_id, type=CODES).delete()
    count = settings.MFA_RECOVERY_CODE_COUNT
    seed = encrypt(RecoveryCodes.generate_seed())
    row = Authenticator(
        user_id=actor.user_id, type=CODES, data={"seed": seed, "used_mask": 0, "count": count}
    )
    made = log.append(Event.RECOVERY_CODES_MADE, actor=actor, count=count, factor_digest=digest_of_row(row))
    row.data["event"] = str(made.uid)
    row.save()
    codes: list[str] = RecoveryCodes(row).generate_codes()
    return codes
