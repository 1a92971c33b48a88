"""Find values of a filter that nobody and nothing has any more, such as a person who was erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from keys.models import ApiKey, User
from keys.rules.folded_text import fold
from keys.selectors.inventory import conditions
from keys.selectors.inventory.conditions import Condition

PEOPLE = ("owner", "accountable", "backup")
_TEXTS: dict[str, Callable[[str], Condition]] = {
    "team": lambda team: conditions.equal("team_order", fold(team)),
    "system": lambda system: conditions.equal("system_order", fold(system)),
    "tag": lambda tag: conditions.with_tag(conditions.stored_tag(tag)),
}


def missing_values(chosen: dict[str, Any], visible: Sequence[Condition]) -> list[str]:
    """Return a sentence for each value of the filter ``chosen`` that does not exist.

    That takes at most one lookup in an index for people, and one each for team, system and tag. ``visible``
    limits the keys to those that the person may see, who then learns nothing about other keys and people.
    """
    unused = [
        f"No key has the {name} “{chosen[name]}”."
        for name, condition in _TEXTS.items()
        if chosen[name] and not _rows(condition(chosen[name]), visible).exists()
    ]
    return [*([] if visible else _unknown_people(chosen)), *unused]


def _rows(condition: Condition, visible: Sequence[Condition]) -> QuerySet[Any]:
    if visible:  # few keys: look them up, and check the value
        return ApiKey.objects.filter(*(one.found for one in visible), condition.checked)
    return ApiKey.objects.filter(condition.found) if condition.counted is None else condition.counted


def _unknown_people(chosen: dict[str, Any]) -> Iterable[str]:
    given = [chosen[name] for name in PEOPLE if chosen[name]]
    emails = {email.lower() for each in given for email in ([each] if isinstance(each, str) else each)}
    known = set(User.objects.filter(email__in=emails).values_list("email", flat=True)) if emails else set()
    return [f"The portal knows nobody with the email {email}." for email in sorted(emails - known)]
