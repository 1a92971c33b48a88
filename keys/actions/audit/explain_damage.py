"""Explain what a verification found: why the record is damaged there, so that it is no alarm any more."""

from __future__ import annotations

from keys.actions.people.refresh import with_confirmed_role
from keys.audit import log
from keys.audit.guard import authorize
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.health.damage import last_verification, unexplained
from keys.validation import new_key

EXPLANATION_LENGTH = 500


def explain_damage(actor: Actor, verification: int, explanation: str) -> None:
    """Record ``explanation`` for all that ``verification``, by its id, found and nobody has explained yet.

    It stays damage, for every verification and every reader; what is found later is another thing.

    Raises ``NotAllowed``, ``Invalid``, and ``Conflict`` where the record was verified again since, or where
    nothing is left to explain.
    """
    actor = with_confirmed_role(actor)
    authorize(actor, Action.EXPLAIN_DAMAGE)
    new_key.check_text("explanation", "The explanation", explanation, EXPLANATION_LENGTH)
    last = last_verification()
    if last is None or last.pk != verification:
        raise Conflict(
            "The record was verified again in the meantime. Look at what was found, and say it again."
        )
    names = unexplained(last)
    if not names:
        raise Conflict("Nothing is left to be explained.")
    log.append(Event.DAMAGE_EXPLAINED, actor=actor, damage=names, explanation=explanation)
