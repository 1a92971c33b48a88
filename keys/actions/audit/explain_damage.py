"""Record an explanation for damage that a verification found, which ends the alarm."""

from __future__ import annotations

from django.db import transaction

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import Throttle
from keys.models.throttle import throttle_name
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.health.damage import Damage, damage_found_by, last_verification
from keys.validation.text import check_text

EXPLANATION_LENGTH = 500


def explain_damage(actor: Actor, verification: int, explanation: str) -> None:
    """Record ``explanation`` for all unexplained damage of the verification with the id ``verification``.

    The damage stays visible in every report, and new damage needs its own explanation. Raises ``Conflict``
    if a newer verification exists or nothing is left to explain: of two people who explain the same damage
    at once, only one is recorded.
    """
    actor = authorize_now(actor, Action.EXPLAIN_DAMAGE)
    check_text("explanation", "The explanation", explanation, EXPLANATION_LENGTH)
    with transaction.atomic():
        Throttle.objects.locked(throttle_name("explanation"))  # of two people, one waits for the other
        last = last_verification()
        if last is None or last.pk != verification:
            raise Conflict(
                "The audit log was verified again in the meantime. Check the new result, and explain it "
                "again."
            )
        damage = damage_found_by(last)
        names = [each.name for each in damage if each.explanation is None]
        if not names:
            raise Conflict(_nothing_left(damage))
        log.append(Event.DAMAGE_EXPLAINED, actor=actor, damage=names, explanation=explanation)


def _nothing_left(damage: list[Damage]) -> str:
    explained = [each.explanation for each in damage if each.explanation is not None]
    if not explained:
        return "Nothing is left to explain."
    newest = max(explained, key=lambda explanation: explanation.at)
    return f"{newest.who} has explained this damage already. Your explanation was not recorded."
