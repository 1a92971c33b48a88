"""Ask the policy, and record what it refuses."""

from __future__ import annotations

from keys import policy
from keys.audit import log
from keys.audit.events import Event
from keys.errors import NotAllowed
from keys.models import ApiKey
from keys.policy import Action, Actor


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
