"""Rename a passkey of a person."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from keys.audit import log
from keys.models.factor import METHODS, PASSKEY
from keys.rules.errors import NotFound
from keys.rules.events import Event
from keys.rules.permissions import Actor


def rename_passkey(actor: Actor, pk: int, name: str) -> None:
    """Give the passkey another ``name``. Raises ``NotFound`` if it is not a passkey of ``actor``."""
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update()
        row = rows.filter(pk=pk, user_id=actor.user_id, type=PASSKEY).first()
        if row is None:
            raise NotFound("You have no such passkey. It may have been removed in another tab.")
        if row.data["name"] == name:
            return
        log.append(
            Event.FACTOR_RENAMED,
            actor=actor,
            method=METHODS[PASSKEY],
            factor=str(row.data.get("event", "")),
        )
        row.data["name"] = name
        row.save(update_fields=["data"])
