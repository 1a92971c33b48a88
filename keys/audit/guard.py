"""Ask the policy, and record what it refuses."""

from __future__ import annotations

from keys.audit import log
from keys.models import ApiKey
from keys.rules import policy
from keys.rules.errors import NotAllowed
from keys.rules.events import Event
from keys.rules.policy import Action, Actor


def authorize(actor: Actor, action: Action, key: ApiKey | None = None) -> None:
    """Raise ``NotAllowed``, after recording it, unless ``actor`` may do ``action`` (to ``key``).

    Called before any transaction is opened, so that the record of a refusal is not rolled back with it.
    """
    try:
        policy.check(actor, action, key)
    except NotAllowed as refusal:
        log.append(
            Event.ATTEMPT_REFUSED,
            actor=actor,
            key=key,
            outcome=log.Outcome.REFUSED,
            reason=refusal.sentence,
            action=action.value,
        )
        raise
