"""Remove a second factor of a person."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from keys.audit import log
from keys.models import User
from keys.models.factor import APP, CODES, METHODS, PASSKEY, has_factor
from keys.rules.errors import NotFound
from keys.rules.events import Event
from keys.rules.permissions import Actor


def remove_factor(actor: Actor, pk: int) -> Authenticator:
    """Remove the app or passkey ``pk`` of ``actor``, and their recovery codes with the last factor.

    Raises ``NotFound`` if it is not theirs.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=actor.user_id)
        theirs = Authenticator.objects.filter(user_id=actor.user_id)
        row = theirs.filter(pk=pk, type__in=[APP, PASSKEY]).first()
        if row is None:
            raise NotFound("You have no such second factor. It may have been removed in another tab.")
        remove_row(actor, row)
        codes = theirs.filter(type=CODES).first()
        if codes is not None and not has_factor(actor.user_id):
            remove_row(actor, codes)
    return row


def remove_row(actor: Actor, row: Authenticator) -> None:
    """Remove it in the caller's transaction, which holds the lock on the person's row."""
    log.append(
        Event.FACTOR_REMOVED, actor=actor, method=METHODS[row.type], factor=str(row.data.get("event", ""))
    )
    Authenticator.objects.filter(pk=row.pk).delete()
