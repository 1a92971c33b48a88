"""Two Owners explain the same damage at once: one event. A naive version beside it writes two for certain."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from django.utils import timezone

from keys.actions.audit import explain_damage as module
from keys.actions.audit.explain_damage import explain_damage
from keys.actions.people import confirm_role
from keys.audit import log
from keys.models import AuditEvent, User, Verification
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.selectors.health.damage import damage_found_by
from tests import cast as people
from tests.support.racing import meet, race

PEOPLE = ("owner", "super_admin")


def explain(number: int, subject: dict[str, Any]) -> str:
    """Explain the damage as the portal or as the naive version. Return the outcome."""
    me = people.actor(User.objects.get(email=people.email_of(PEOPLE[number])))
    if subject["way"] == "naive":
        found = damage_found_by(Verification.objects.get(pk=subject["verification"]))
        names = [damage.name for damage in found if damage.explanation is None]
        meet()
        log.append(Event.DAMAGE_EXPLAINED, actor=me, damage=names, explanation="A drill.")
        return "recorded"
    authorize = confirm_role.authorize_now

    def authorize_when_both_are_here(*arguments: Any) -> Any:
        meet()
        return authorize(*arguments)

    with patch.object(module, "authorize_now", authorize_when_both_are_here):
        try:
            explain_damage(me, subject["verification"], "A drill.")
        except Conflict as conflict:
            return conflict.sentence
    return "recorded"


def test_damage_that_two_people_explain_at_once_is_explained_once(database, committed_cast):
    subjects = [
        {"way": way, "verification": verification_that_found(f"event {place}").pk}
        for place, way in enumerate(["naive", "portal"])
    ]
    naive, portal = race(database, f"{__name__}:explain", subjects, processes=2)
    assert naive == ["recorded", "recorded"]
    [refused] = [outcome for outcome in portal if outcome != "recorded"]
    assert "has explained this damage already. Your explanation was not recorded." in refused
    explained = AuditEvent.objects.filter(type=Event.DAMAGE_EXPLAINED).values_list(
        "details__damage", flat=True
    )
    assert sorted(explained) == [["ROOT at event 0"], ["ROOT at event 0"], ["ROOT at event 1"]]


def verification_that_found(where: str) -> Verification:
    damage = {"kind": "ROOT", "meaning": "", "where": where, "words": "", "times": 1}
    now = timezone.now()
    return Verification.objects.create(asked_at=now, asked_by="", finished_at=now, damage=[damage])
