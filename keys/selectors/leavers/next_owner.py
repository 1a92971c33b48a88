"""Suggest who may own the new keys of a person who leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from django.utils import timezone

from keys.models import LISTED, ApiKey, AuditEvent, User
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action
from keys.tlog.leaf import readable

MOST = 6
LOOKED_AT = 100
"""Keys of the same teams, whose owners are team mates."""
EVENTS = 20


class Suggestion(NamedTuple):
    """``why``: how the person is related to the keys, such as ``backup of 2 keys``."""

    name: str
    email: str
    why: str


def suggested_owners(person: User, keys: Sequence[ApiKey]) -> list[Suggestion]:
    """Return people who may own a new key: backups first, then accountable people, then team mates.

    ``keys`` have their accountable person and backup. Costs one query.
    """
    found: dict[int, tuple[User, str]] = {}
    for role, words in (("backup", "backup of"), ("accountable", "accountable for")):
        counted = Counter(one for key in keys if (one := getattr(key, role)) is not None)
        for one, count in counted.most_common():
            found.setdefault(one.pk, (one, f"{words} {count} key{'s' if count > 1 else ''}"))
    for one in _team_mates(keys):
        found.setdefault(one.pk, (one, "owns keys of the same team"))
    able = [(one, why) for one, why in found.values() if one.pk != person.pk and may_own(one)]
    return [Suggestion(one.name, one.email, why) for one, why in able[:MOST]]


def may_own(person: User) -> bool:
    """Return whether the person can sign in and generate keys, as the next owner must."""
    actor = replace(person.as_actor(), role_is_stale=False)
    return person.is_active and person.left_at is None and actor.may(Action.GENERATE_KEY)


def _team_mates(keys: Sequence[ApiKey]) -> list[User]:
    teams = {key.team_order for key in keys if key.team}
    if not teams:
        return []
    live = ApiKey.objects.filter(
        LISTED, phase=Phase.LIVE, expires_at__gt=timezone.now(), team_order__in=teams
    )
    return [key.owner for key in live.select_related("owner")[:LOOKED_AT]]


def last_next_owner(keys: Sequence[ApiKey]) -> str:
    """Return the email of the person who was to own these keys by the newest plan that names one, or "".

    So a plan that was changed to Keep can be changed back without entering the person again.
    """
    events = AuditEvent.objects.filter(
        key_id__in=[key.pk for key in keys], type=Event.KEY_PLANNED, outcome="done"
    )
    for details, personal in events.order_by("-id").values_list("details", "personal")[:EVENTS]:
        to = readable(details, personal).get("to")
        person = User.objects.filter(pk=int(to["id"])).first() if to else None
        if person is not None:
            return person.email if may_own(person) else ""
    return ""
