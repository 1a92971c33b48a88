"""Add a second factor of a person: an authenticator app, or a passkey."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from keys.actions.factors.make_codes import replace_codes
from keys.actions.factors.remove import remove_row
from keys.actions.factors.use import period_of
from keys.actions.people import throttle
from keys.audit import log
from keys.evidence.factor_rows import digest_of_row
from keys.models import User
from keys.models.factor import APP, CODES, METHODS, PASSKEY
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.permissions import Actor

MOST_PASSKEYS = 20


SECRET_LASTS = 15 * 60
"""Seconds for which a person can add an app with a secret that the portal has shown them."""


@sensitive_variables()
def add_app(actor: Actor, secret: str, code: str, *, replaces: int = 0) -> list[str]:
    """Add the app with ``secret``. Return recovery codes, unless the person has some.

    ``code`` shows that the app has the secret, and is not accepted again. ``replaces``: the number of the row
    of the present app, which the new one replaces, or 0. Raises ``Invalid`` if the code is wrong. Raises
    ``Conflict`` if the person has another app than that. Raises it also if an app with ``secret`` was added
    before: its codes could be used again.
    """
    period = period_of(secret, code)
    if period is None:
        raise Invalid(code="This code is wrong. Check the clock of your phone, and enter the newest code.")
    with transaction.atomic():
        codes = _add(actor, APP, {"secret": encrypt(secret), "last_counter": period}, replaces=replaces)
        if not throttle.is_first_use(secret, SECRET_LASTS):
            raise Conflict(
                "An app with this secret was added before. Load the page that adds an app again, and enter "
                "the new secret into your app."
            )
    return codes


def add_passkey(actor: Actor, name: str, credential: dict[str, Any]) -> list[str]:
    """Add a passkey that was verified. Return recovery codes, unless the person has some."""
    return _add(actor, PASSKEY, {"name": name, "credential": credential})


def _add(actor: Actor, kind: str, data: dict[str, Any], *, replaces: int = 0) -> list[str]:
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.user_id)
        theirs = Authenticator.objects.filter(user=user)
        present = theirs.filter(type=APP).first() if kind == APP else None
        if kind == APP and (present.pk if present else 0) != replaces:
            raise Conflict("Your authenticator app was added, replaced or removed in the meantime.")
        if kind == PASSKEY and theirs.filter(type=PASSKEY).count() >= MOST_PASSKEYS:
            raise Conflict(f"You have {MOST_PASSKEYS} passkeys. Remove one that you do not use.")
        if present is not None:
            remove_row(actor, present)
        row = Authenticator(user=user, type=kind, data=data)
        added = log.append(
            Event.FACTOR_ADDED, actor=actor, method=METHODS[kind], factor_digest=digest_of_row(row)
        )
        row.data["event"] = str(added.uid)
        row.save()
        return [] if theirs.filter(type=CODES).exists() else replace_codes(actor)
