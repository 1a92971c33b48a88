"""Withdraw a registration that was a mistake. Nothing happens in Cerby, and nothing is claimed about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.models import ApiKey
from keys.rules.batches import each_alone, in_turns
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.selectors.key.withdraw import withdrawable
from keys.validation.ownership import REASON_LENGTH
from keys.validation.text import check_text

AT_ONCE = 100
"""The most keys in one transaction, as in an import."""


def withdraw_key(actor: Actor, key_id: UUID, *, reason: str) -> ApiKey:
    """End the row of ``key_id``, which was registered, declared or imported by mistake, and return it.

    The portal forgets the key's fingerprint, so that the key can be registered again. Raises ``Conflict`` if
    the row came from elsewhere, if Cerby lists the key, or if its deletion has begun.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.WITHDRAW_KEY, key)
    check_text("reason", "The reason", reason, REASON_LENGTH)
    if not key.is_only_registered:
        raise Conflict(
            "Only a key that was registered here can be withdrawn, and only while Cerby does not list it. "
            "If the key exists in Cerby and nobody needs it, delete it."
        )
    _withdraw(actor, key, reason)
    return key


def withdraw_import(actor: Actor, import_id: UUID, *, reason: str) -> int:
    """Withdraw all keys of an import that can still be withdrawn, and return how many.

    Raises ``Conflict`` if there is none. Others can write after at most ``AT_ONCE`` keys. If this breaks off,
    the same call withdraws the rest.
    """
    actor = authorize_now(actor, Action.WITHDRAW_KEY)
    check_text("reason", "The reason", reason, REASON_LENGTH)
    actor = replace(actor, part_of=str(uuid4()))
    ids = list(withdrawable(import_id).order_by("pk").values_list("pk", flat=True))
    count = 0
    for some in in_turns(each_alone(ids), AT_ONCE):
        count += _withdraw_some(actor, import_id, some, reason)
    if not count:
        raise Conflict("No key of this import can be withdrawn any more.")
    return count


def _withdraw_some(actor: Actor, import_id: UUID, ids: list[UUID], reason: str) -> int:
    with transaction.atomic():
        rows = withdrawable(import_id).filter(pk__in=ids).order_by("pk")
        keys = list(rows.select_for_update(of=("self",), no_key=True))
        for key in keys:
            _withdraw(actor, key, reason, **{"import": str(import_id)})
    return len(keys)


def _withdraw(actor: Actor, key: ApiKey, reason: str, **details: Any) -> None:
    transition(
        key,
        Transition.WITHDRAW,
        Event.KEY_WITHDRAWN,
        actor,
        having={"cerby_id": None},
        changes={"fingerprint": None, "pepper_id": ""},
        reason=reason,
        **details,
    )
