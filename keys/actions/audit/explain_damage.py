"""Record an explanation for damage that a verification found, which ends the alarm."""

from __future__ import annotations

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.health.damage import last_verification, unexplained
from keys.validation.text import check_text

EXPLANATION_LENGTH = 500


def explain_damage(actor: Actor, verification: int, explanation: str) -> None:
    """Record ``explanation`` for all unexplained damage of the verification with the id ``verification``.

    The damage stays visible in every report, and new damage needs its own explanation. Raises ``Conflict``
    if a newer verification exists or nothing is left to explain.
    """
    actor = authorize_now(actor, Action.EXPLAIN_DAMAGE)
    check_text("explanation", "The explanation", explanation, EXPLANATION_LENGTH)
    last = last_verification()
    if last is None or last.pk != verification:
        raise Conflict(
            "The audit log was verified again in the meantime. Check the new result, and explain it again."
        )
    names = unexplained(last)
    if not names:
        raise Conflict("Nothing is left to explain.")
    log.append(Event.DAMAGE_EXPLAINED, actor=actor, damage=names, explanation=explanation)
