"""Explore every history of a small campaign, with all guards and with each of them removed once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from keys.rules import reviews
from keys.rules.permissions import HIGHEST, Role
from keys.rules.reviews import (
    DECIDE,
    ESCALATE,
    GIVE_UP,
    GRACE,
    HAND_OVER,
    MOST_IN_BULK,
    SIGN,
    CampaignState,
    Comparison,
    Deciding,
    Decision,
    HandingOver,
    Item,
    SigningOff,
    Snapshot,
    why_refused,
)

ANN, BOB, EVE = 1, 2, 3
ROLES = {ANN: Role.OWNER, BOB: Role.ADMIN, EVE: Role.SUPER_ADMIN}
STEPS = {"decide": DECIDE, "hand over": HAND_OVER, "sign": SIGN, "escalate": ESCALATE, "give up": GIVE_UP}
LATE = (timedelta(days=-1), timedelta(), GRACE)


class World(NamedTuple):
    """A campaign with one item. ``broken``: the promises that the history has broken."""

    item: Item
    late: int = 0
    decided_by: int | None = None
    escalated_late: int = -1
    broken: frozenset[str] = frozenset()

    def after(self, broken: dict[str, bool], **changes: Any) -> World:
        new = self.broken | {promise for promise, is_broken in broken.items() if is_broken}
        return self._replace(broken=new, **changes)


@dataclass(frozen=True)
class Model:
    guards: dict[str, tuple[Any, ...]]

    def allows(self, step: str, *facts: Any) -> bool:
        return why_refused(self.guards[step], *facts) is None

    def next_worlds(self, world: World) -> Iterator[World]:
        yield from self._decided(world)
        yield from self._handed_over(world)
        yield from self._late(world)
        yield from self._signed(world)
        item = world.item
        if item.campaign is CampaignState.FREEZING:
            yield world._replace(item=replace(item, campaign=CampaignState.OPEN))
        if item.campaign is CampaignState.OPEN and reviews.may_close([item.decision]):
            yield world._replace(item=replace(item, campaign=CampaignState.CLOSED))
        if world.late < len(LATE) - 1:
            yield world._replace(late=world.late + 1)
        # The key gets another owner, or another person changes it, while the campaign runs.
        yield world._replace(item=replace(item, owner=BOB))
        yield world._replace(item=replace(item, requester=BOB))

    def _decided(self, world: World) -> Iterator[World]:
        item = world.item
        answers = [(each, "", 0) for each in Decision] + [(Decision.KEEP, "Needed for the payroll.", 0)]
        bulk = [
            (Decision.KEEP, "Why", 2),
            (Decision.REMOVE, "Why", 2),
            (Decision.KEEP, "Why", MOST_IN_BULK + 1),
        ]
        for person in ROLES:
            for decision, sentence, together in answers + bulk:
                if not self.allows("decide", item, Deciding(person, decision, sentence, together)):
                    continue
                broken = {
                    "decided only in an open campaign": item.campaign is not CampaignState.OPEN,
                    "decided once": item.decision is not None,
                    "decided by the reviewer": person != item.reviewer,
                    "nobody reviews a key of theirs": person == item.owner,
                    "nobody reviews their own request": person == item.requester,
                    "nobody chooses the verdict of silence": decision is Decision.NOT_CERTIFIED,
                    "a finding is kept with a sentence": item.has_finding
                    and decision == "keep"
                    and not sentence,
                    "bulk only keeps": bool(together) and decision is not Decision.KEEP,
                    "bulk takes only the unchanged": bool(together)
                    and item.comparison is not Comparison.SAME,
                    "bulk takes no finding": bool(together) and item.has_finding,
                    "bulk is small": together > MOST_IN_BULK,
                }
                yield world.after(broken, item=replace(item, decision=decision), decided_by=person)

    def _handed_over(self, world: World) -> Iterator[World]:
        item = world.item
        for person, role in ROLES.items():
            for to in ROLES:
                for reason in ("", "Another team uses it."):
                    leads = role in HIGHEST
                    if self.allows("hand over", item, HandingOver(person, to, reason, leads)):
                        broken = {
                            "handed over only in an open campaign": item.campaign is not CampaignState.OPEN,
                            "handed over only while undecided": item.decision is not None,
                            "handed over by the reviewer, or by a lead when it is late": (
                                person != item.reviewer and not (leads and item.escalated)
                            ),
                            "handed over with a reason": not reason,
                            "not handed over to the owner": to == item.owner,
                            "not handed over to the requester": to == item.requester,
                        }
                        yield world.after(broken, item=replace(item, reviewer=to))

    def _late(self, world: World) -> Iterator[World]:
        item, late = world.item, LATE[world.late]
        if self.allows("escalate", item, late):
            broken = {
                "escalated only in an open campaign": item.campaign is not CampaignState.OPEN,
                "escalated only while undecided": item.decision is not None,
                "escalated only when due": late < timedelta(),
                "escalated once": item.escalated,
            }
            yield world.after(broken, item=replace(item, escalated=True), escalated_late=world.late)
        if self.allows("give up", item, late):
            broken = {
                "no decision of a person is overwritten": item.decision is not None,
                "given up only after the escalation": not item.escalated,
                "given up only after the grace": late < GRACE,
            }
            yield world.after(broken, item=replace(item, decision=Decision.NOT_CERTIFIED))

    def _signed(self, world: World) -> Iterator[World]:
        item = world.item
        for person, role in ROLES.items():
            reviewed = int(world.decided_by == person)
            if self.allows("sign", SigningOff(item.campaign, role, reviewed)):
                broken = {
                    "signed once, and only if nothing is left": item.campaign is not CampaignState.CLOSED,
                    "signed by an Owner or Super Admin": role not in HIGHEST,
                    "nobody signs their own review": bool(reviewed),
                }
                yield world.after(broken, item=replace(item, campaign=CampaignState.SIGNED))


def explore(guards: dict[str, tuple[Any, ...]]) -> Iterator[World]:
    """Yield all worlds that can be reached. A broken promise ends its history."""
    model, waiting = Model(guards), deque(_beginnings())
    seen = set(waiting)
    while waiting:
        world = waiting.popleft()
        yield world
        if not world.broken:
            new = set(model.next_worlds(world)) - seen
            seen |= new
            waiting.extend(new)


def _beginnings() -> Iterator[World]:
    for has_finding in (False, True):
        for comparison in (Comparison.CHANGED, Comparison.SAME):
            for reviewer in (BOB, EVE):
                item = Item(CampaignState.FREEZING, reviewer, ANN, None, None, has_finding, comparison)
                yield World(item)


def test_no_history_breaks_a_promise_and_every_end_is_reached() -> None:
    worlds = list(explore(STEPS))
    assert {promise for world in worlds for promise in world.broken} == set()
    assert {world.item.campaign for world in worlds} == set(CampaignState)
    assert {world.item.decision for world in worlds} == {None, *Decision}
    signed = {world.item.decision for world in worlds if world.item.campaign is CampaignState.SIGNED}
    assert signed == set(Decision)


@pytest.mark.parametrize(
    ("step", "name"), [(step, guard.name) for step, guards in STEPS.items() for guard in guards]
)
def test_each_guard_is_needed(step: str, name: str) -> None:
    fewer = tuple(guard for guard in STEPS[step] if guard.name != name)
    assert any(world.broken for world in explore(STEPS | {step: fewer}))


_KEY = Snapshot(
    owner=ANN,
    scopes=frozenset({"read:users"}),
    reach=3,
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    purpose="Payroll",
    findings=frozenset(),
)


@pytest.mark.parametrize(
    ("change", "is_void"),
    [
        ({"scopes": frozenset({"read:users", "write:users"})}, True),
        ({"scopes": frozenset({"read:items"})}, True),
        ({"scopes": frozenset()}, False),
        ({"owner": BOB}, True),
        ({"purpose": "Wages"}, False),
        ({"reach": 4}, False),
    ],
)
def test_a_widening_or_a_new_owner_voids_a_certificate(change: dict[str, Any], *, is_void: bool) -> None:
    changed = replace(_KEY, **change)
    assert (reviews.why_void(_KEY, changed.owner, changed.scopes) is not None) is is_void
    assert reviews.compare(changed, _KEY) is Comparison.CHANGED


def test_an_item_is_new_or_the_same() -> None:
    assert reviews.compare(_KEY, None) is Comparison.NEW
    assert reviews.compare(replace(_KEY), _KEY) is Comparison.SAME


def test_the_reviewer_is_the_first_who_neither_owns_nor_requested_the_key() -> None:
    assert reviews.reviewer_of([None, ANN, BOB, EVE], owner=ANN, requester=BOB) == EVE
    assert reviews.reviewer_of([ANN, BOB], owner=ANN, requester=BOB) is None
    assert reviews.reviewer_of([BOB], owner=ANN, requester=None) == BOB
