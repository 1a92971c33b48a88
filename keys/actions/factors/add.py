"""Add a second factor of a person: an authenticator app, or a passkey."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from django.db import transaction
from django.utils import timezone

from keys.actions.factors.make_codes import replace_codes
from keys.actions.factors.use import period_of
from keys.audit import log
from keys.evidence.factor_rows import digest_of_row
from keys.models import User
from keys.models.factor import APP, CODES, METHODS, PASSKEY
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.policy import Actor

MOST_PASSKEYS = 20


def add_app(actor: Actor, secret: str, code: str) -> list[str]:
    """Add the app with ``secret``. Return recovery codes, unless the person has some.

    ``code`` shows that the app has the secret, and is not accepted again. Raises ``Invalid`` if it is wrong,
    and ``Conflict`` if the person has an app.
    """
    period = period_of(secret, code)
    if period is None:
        raise Invalid(code="This code is wrong. Check the clock of your phone, and enter the newest code.")
    return _add(actor, APP, {"secret": encrypt(secret), "last_counter": period})


def add_passkey(actor: Actor, name: str, credential: dict[str, Any]) -> list[str]:
    """Add a passkey that was verified. Return recovery codes, unless the person has some."""
    return _add(actor, PASSKEY, {"name": name, "credential": credential})


def _add(actor: Actor, kind: str, data: dict[str, Any]) -> list[str]:
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.user_id)
        theirs = Authenticator.objects.filter(user=user)
        if kind == APP and theirs.filter(type=APP).exists():
            raise Conflict("You have an authenticator app already. Remove it first, then add another one.")
        if kind == PASSKEY and theirs.filter(type=PASSKEY).count() >= MOST_PASSKEYS:
            raise Conflict(f"You have {MOST_PASSKEYS} passkeys. Remove one that you do not use.")
        row = Authenticator(user=user, type=kind, data=data, last_used_at=timezone.now())
        added = log.append(
            Event.FACTOR_ADDED, actor=actor, method=METHODS[kind], factor_digest=digest_of_row(row)
        )
        row.data["event"] = str(added.uid)
        row.save()
        return [] if theirs.filter(type=CODES).exists() else replace_codes(actor)
