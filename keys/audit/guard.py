"""Check the permission and record refusals."""

from __future__ import annotations

from keys.audit import refusals
from keys.audit.refusals import Refusal
from keys.models import ApiKey, User
from keys.rules import permissions
from keys.rules.errors import NotAllowed
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor


def authorize(actor: Actor, action: Action, key: ApiKey | None = None, person: User | None = None) -> None:
    """Record the refusal and raise ``NotAllowed`` unless ``actor`` may do ``action``.

    Call this before opening a transaction, so that the refusal's event is not rolled back.
    """
    try:
        permissions.check(actor, action, key, person)
    except NotAllowed as refusal:
        record_refusal(actor, action, key, refusal.sentence)
        raise


def record_refusal(actor: Actor, action: Action, key: ApiKey | None, reason: str) -> None:
    """Record that ``actor`` may not do ``action``: one event a minute, which counts the other refusals."""
    details = {"action": action.value}
    refusals.record_or_count(Refusal(Event.ATTEMPT_REFUSED, actor, reason, key, of=action, details=details))
