"""Change the scopes of one key in two processes at once, each beside a naive version that loses the race."""

from __future__ import annotations

import uuid
from typing import Any
from unittest.mock import patch

from django.conf import settings as portal
from django.test import override_settings
from django.utils import timezone

from keys import cerby
from keys.actions.keys import rescope
from keys.actions.keys.rescope import rescope_key
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, ScopeChange, User
from keys.rules.permissions import Actor
from keys.rules.scopes import in_order
from sandbox import Sandbox
from tests import cast as people
from tests.cast import a_live_key
from tests.support.background import story_of
from tests.support.racing import meet, race
from tests.support.script import PATIENCE

ROUNDS = 8
SCOPES = in_order(["read:users", "read:teams", "read:vaults"])
Subject = dict[str, Any]


def me() -> Actor:
    return people.actor(User.objects.get(email=people.email_of("admin")))


def subjects(sandbox: Sandbox, owner: User, turns: list[tuple[str, bool]]) -> list[Subject]:
    """Return one subject per key: first those of the portal's version, then those of the naive one."""
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    return [
        {
            "way": way,
            "key": str(a_live_key(sandbox, owner, scopes=SCOPES)[0].pk),
            "turns": turns,
            "settings": to_cerby,
        }
        for way in ("portal", "naive")  # in this order, because the portal's sweeps repair everything
        for _ in range(ROUNDS if way == "portal" else 1)
    ]


def turn_one(number: int, subject: Subject) -> None:
    """Each process turns another scope of the same key."""
    scope, on = subject["turns"][number]
    with override_settings(**subject["settings"]):
        if subject["way"] == "portal":
            with patch.object(rescope, "WAITS_FOR", PATIENCE):  # the other process may be slow
                rescope_key(me(), uuid.UUID(subject["key"]), scope, on=on)
        else:
            naively_turn(subject["key"], scope, on=on)


def naively_turn(key_id: str, scope: str, *, on: bool) -> None:
    """Read the row, ask Cerby for the whole set, and write its answer back."""
    key = ApiKey.objects.get(pk=key_id)
    meet()
    others = {held for held in key.scopes if held != scope}
    answer = cerby.connect().rescope_key(key.cerby_id, sorted(others | {scope} if on else others))
    ApiKey.objects.filter(pk=key_id).update(scopes=list(answer.scopes))


def wrong(sandbox: Sandbox, subjects: list[Subject], wanted: set[str]) -> dict[str, int]:
    """Return for each version how many keys lack a change, here or in Cerby."""
    there = {key["id"]: set(key["scopes"].split()) for key in sandbox.api_keys()}
    counts = {"naive": 0, "portal": 0}
    for subject in subjects:
        key = ApiKey.objects.get(pk=subject["key"])
        counts[subject["way"]] += set(key.scopes) != wanted or there[str(key.cerby_id)] != wanted
    return counts


def race_of(database, sandbox, owner, turns: list[tuple[str, bool]], wanted: set[str]) -> None:
    keys = subjects(sandbox, owner, turns)
    race(database, f"{__name__}:turn_one", keys, processes=2)
    counts = wrong(sandbox, keys, wanted)
    assert counts == {"naive": 1, "portal": 0}
    assert not ScopeChange.objects.exists()
    for subject in keys[:ROUNDS]:
        story = story_of(ApiKey.objects.get(pk=subject["key"]))
        assert story == ["key:start-rescope", "key:rescope"] * 2, "one after the other"


def test_two_people_remove_two_scopes_at_once(database, committed_cast, sandbox):
    turns = [("read:users", False), ("read:teams", False)]
    race_of(database, sandbox, committed_cast.admin, turns, {"read:vaults"})


def test_one_person_adds_a_scope_while_another_removes_one(database, committed_cast, sandbox):
    turns = [("read:items", True), ("read:teams", False)]
    race_of(database, sandbox, committed_cast.admin, turns, {"read:users", "read:vaults", "read:items"})


def turn_or_sweep(number: int, subject: Subject) -> None:
    with override_settings(**subject["settings"]):
        if subject["way"] == "portal":
            turn(subject) if number == 0 else sweep_until_turned(subject)
        elif number == 0:
            meet()
            turn(subject)
            meet()
        else:
            sweep_naively(subject)


def turn(subject: Subject) -> None:
    rescope_key(me(), uuid.UUID(subject["key"]), "read:teams", on=False)


def sweep_until_turned(subject: Subject) -> None:
    while not AuditEvent.objects.filter(key_id=subject["key"], type="key:rescope").exists():
        sweep()


def sweep_naively(subject: Subject) -> None:
    """List the keys, and store their scopes after the other process has changed one."""
    listed = {key.id: key for key in list(cerby.connect().keys())}
    meet()
    meet()
    key = ApiKey.objects.get(pk=subject["key"])
    ApiKey.objects.filter(pk=key.pk).update(scopes=list(listed[key.cerby_id].scopes))


def test_a_sweep_neither_undoes_a_change_nor_records_it_as_made_in_cerby(database, committed_cast, sandbox):
    keys = subjects(sandbox, committed_cast.admin, [])
    race(database, f"{__name__}:turn_or_sweep", keys, processes=2)
    counts = wrong(sandbox, keys, {"read:users", "read:vaults"})
    assert counts == {"naive": 1, "portal": 0}
    for subject in keys[:ROUNDS]:
        story = story_of(ApiKey.objects.get(pk=subject["key"]))
        assert story == ["key:start-rescope", "key:rescope"]


def test_the_lease_of_a_process_that_died_ends_by_itself(cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=SCOPES)
    ScopeChange.objects.create(key=key, actor=cast.admin, after=["read:users"], until=timezone.now())
    rescope_key(people.actor(cast.admin), key.pk, "read:teams", on=False)
    assert ApiKey.objects.get(pk=key.pk).scopes == ["read:users", "read:vaults"]
