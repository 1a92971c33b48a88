"""Remove all second factors of a person, as a part of another act."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator

from keys.audit import log
from keys.evidence.factor_rows import lacks_factors
from keys.models import User
from keys.models.factor import CODES
from keys.rules.events import Event
from keys.rules.permissions import Actor


def forget_factors(actor: Actor | None, user: User, *, reason: str) -> bool:
    """Remove them in the caller's transaction. Return whether there were any, by the rows or by the log."""
    theirs = Authenticator.objects.filter(user=user)
    if not theirs.exists() and not lacks_factors(user):
        return False
    count = theirs.exclude(type=CODES).count()
    theirs.delete()
    person: dict[str, Any] = {"person": str(user.pk), "email": user.email}
    log.append(Event.FACTORS_RESET, actor=actor, reason=reason, **person, count=count)
    return True
