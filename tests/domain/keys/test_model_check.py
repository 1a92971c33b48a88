"""Check every order of events in the life of one key, with the code's own table of transitions.

The model is small: the key's row, the key in Cerby, the sealed bytes, the issuing process, the network between them,
two tabs, and a reconciler that has read the row a moment ago. Each guard of the code is one condition here. Each is
removed once to show that the check notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from keys.rules.lifecycle import ENDED, PHASE, TRANSITIONS, Phase, State, Transition
from tests.support.cases import in_one_test

LEASED, LEASE_OVER, SETTLED = range(3)
BY_HAND = {State.AWAITED, State.WITHDRAWN}
"""States of keys that a person creates or registers by hand: see test_assisted.py and test_withdraw.py."""
UNDER_WAY = {"sent", "late", "answered"}


@dataclass(frozen=True)
class World:
    """``row`` is None before the request is recorded. ``gone`` in Cerby: somebody else removed the key there."""

    row: State | None = None
    cerby: str = "absent"  # live, removed, gone
    sealed: bool = False
    reveals: int = 0
    process: str = "starts"  # wrote, waits, holds, lost, keyless, refused, over
    wire: str = "idle"  # sent, answered, late, refused, over
    posts: int = 0
    tabs: tuple[bool, bool] = (False, False)  # the tab that got the sealed bytes
    read: State | None = None  # the state that the reconciler has read and not yet acted on
    time: int = LEASED
    wrong: str = ""


def moved(world: World, move: Transition, **changes: Any) -> Iterator[World]:
    """Apply ``step`` like ``keys.actions.transition``: change nothing if the table does not allow it."""
    sources, target = TRANSITIONS[move]
    if world.row in sources:
        yield replace(world, row=target, **changes)


def issuing(world: World, without: str) -> Iterator[World]:
    """Yield the steps of the issuing process, which may die between any two of them."""
    if world.process == "starts":
        yield replace(world, row=State.REQUESTED, process="wrote")
        if without == "intent before effect" and world.posts == 0:
            yield replace(world, wire="sent", posts=1)
    elif world.process == "wrote":
        posted = {"wire": "sent", "posts": world.posts + 1} if world.posts == 0 else {}
        yield from moved(world, Transition.CALL, process="waits", **posted)
    elif world.process == "waits":
        yield from waiting(world)
    elif world.process == "holds":
        yield from storing(world, without)
    elif world.process == "keyless":
        yield from moved(world, Transition.LOSE_SECRET, process="over")
    elif world.process == "lost":
        yield from moved(world, Transition.LOSE_ANSWER, process="over")
    if world.process != "over":
        yield replace(world, process="over", wire="late" if world.wire == "sent" else world.wire)


def waiting(world: World) -> Iterator[World]:
    if world.wire == "answered":
        for came in ("holds", "keyless", "lost"):
            yield replace(world, process=came, wire="over")
    elif world.wire == "sent":
        yield replace(world, process="lost", wire="late")
    elif world.wire == "refused":
        yield from moved(world, Transition.REFUSE, process="over")


def storing(world: World, without: str) -> Iterator[World]:
    stored = list(moved(world, Transition.ANSWER, process="over", sealed=True))
    if without == "the lease on the answer":
        stored = [replace(world, row=State.READY, process="over", sealed=True)]
    yield from stored or [replace(world, process="over")]


def cerby(world: World) -> Iterator[World]:
    """Yield the steps of Cerby.

    It carries out a request at any time, even long after the portal gave up. It refuses one, perhaps falsely, or
    never receives it. Anybody may also remove a key in Cerby, or restore it.
    """
    if world.wire == "sent":
        yield replace(world, wire="answered", cerby="live")
        yield replace(world, wire="refused")
        yield replace(world, wire="refused", cerby="live")
    if world.wire == "late":
        yield replace(world, wire="over", cerby="live")
        yield replace(world, wire="over")
    if world.cerby == "live":
        yield replace(world, cerby="gone")
    if world.cerby == "gone":
        yield replace(world, cerby="live")


def people(world: World, without: str) -> Iterator[World]:
    for tab in (0, 1):
        if world.sealed and not world.tabs[tab]:
            yield replace(world, tabs=(tab == 0 or world.tabs[0], tab == 1 or world.tabs[1]))
        if world.tabs[tab]:
            tabs = (tab != 0 and world.tabs[0], tab != 1 and world.tabs[1])
            taken: dict[str, Any] = {"sealed": False, "reveals": world.reveals + 1, "tabs": tabs}
            if world.sealed:
                yield from moved(world, Transition.CLAIM, **taken)
            elif without == "one claim" and world.row is State.CLAIMED:
                yield replace(world, **taken)
    if world.reveals:
        yield from moved(world, Transition.STORE)
    if world.cerby == "live":  # a person keeps a held key that Cerby lists
        yield from moved(
            world, Transition.KEEP, sealed=world.sealed and without == "sealed bytes are not kept"
        )
    yield from deleting(world, without)


def deleting(world: World, without: str) -> Iterator[World]:
    """Yield the step of a person who deletes the key. The reconciler does the rest."""
    yield from moved(world, Transition.CANCEL)
    yield from moved(
        world, Transition.REVOKE, sealed=world.sealed and without == "sealed bytes go with the key"
    )
    if world.time >= LEASE_OVER:
        yield from moved(world, Transition.LOSE_ANSWER)


def worker(world: World, without: str) -> Iterator[World]:
    """Yield the steps of time, the reconciler and the sweep, which need no person, while Cerby answers."""
    if world.time < SETTLED:
        yield replace(world, time=world.time + 1)
    yield from reconciling(world, without)
    yield from sweeping(world, without)


def reconciling(world: World, without: str) -> Iterator[World]:
    yield from moved(world, Transition.CANCEL)
    if world.time >= LEASE_OVER and without != "a lease ends":
        yield from moved(world, Transition.LOSE_ANSWER)
    if world.row is State.IN_DOUBT and world.cerby != "absent":
        yield from moved(world, Transition.FIND)
    elif world.time >= SETTLED or without == "absence is settled":
        yield from moved(world, Transition.FIND_ABSENT)
    timed = {State.READY, State.CLAIMED} - ({State.READY} if without == "a view's timer" else set())
    if world.row in timed and world.read is None:
        yield replace(world, read=world.row)
    if world.read is not None:
        yield from timing_out(replace(world, read=None), world.read, without)
    if world.row is State.REVOKING and world.cerby == "live":
        yield replace(world, cerby="removed")
    if world.cerby != "live":
        yield from moved(world, Transition.CONFIRM_REVOKED)
    elif without == "believing only what Cerby says":
        yield from moved(world, Transition.CONFIRM_REVOKED, wrong="said to be removed, and lives")


def timing_out(world: World, read: State, without: str) -> Iterator[World]:
    if world.row is read:
        yield from moved(world, Transition.REVOKE, sealed=False)
    elif without == "a view beats the timer" and world.row is State.HELD:
        yield from moved(world, Transition.REVOKE, sealed=False, wrong="taken from who holds it")
    else:
        yield world


def sweeping(world: World, without: str) -> Iterator[World]:
    if world.cerby == "live" and world.row in ENDED and without != "the sweep":
        yield from moved(world, Transition.REAPPEAR)
    if world.cerby in {"removed", "gone"}:
        yield from moved(
            world, Transition.VANISH, sealed=world.sealed and without == "sealed bytes vanish too"
        )


def what_is_wrong(world: World) -> str:
    is_shown_as_live = world.row is not None and PHASE[world.row] is Phase.LIVE
    is_under_way = world.wire in UNDER_WAY and world.time < SETTLED
    wrongs = {
        "a key in Cerby that has no row": world.cerby == "live" and world.row is None,
        "revealed twice": world.reveals > 1,
        "sealed bytes outside READY": world.sealed != (world.row is State.READY),
        "asked for twice": world.posts > 1,
        "removed by the portal, and shown as live": world.cerby == "removed" and is_shown_as_live,
        "said to be absent while its request is under way": world.row is State.ABSENT and is_under_way,
    }
    return world.wrong or next((wrong for wrong, is_so in wrongs.items() if is_so), "")


def walk(without: str = "") -> tuple[set[World], int, set[str]]:
    """Return every reachable world with its number of steps, and the problems found."""
    ahead, seen, steps, wrongs = [World()], {World()}, 0, set()
    back: dict[World, list[World]] = {}
    while ahead:
        world = ahead.pop()
        if wrong := what_is_wrong(world):
            wrongs.add(wrong)
            continue  # do not explore beyond a problem
        alone = set(worker(world, without))
        for after in alone:
            back.setdefault(after, []).append(world)
        onward = alone | {*issuing(world, without), *cerby(world), *people(world, without)}
        steps += len(onward)
        ahead += onward - seen
        seen |= onward
    if seen - _ends_well(seen, back) - {world for world in seen if what_is_wrong(world)}:
        wrongs.add("rests with a live key that nobody holds")
    return seen, steps, wrongs


def _ends_well(seen: set[World], back: dict[World, list[World]]) -> set[World]:
    """Return the worlds from which the worker alone reaches one without a live key that nobody holds."""
    ahead = [world for world in seen if world.cerby != "live" or world.row is State.HELD]
    well = set(ahead)
    while ahead:
        before = set(back.get(ahead.pop(), [])) - well
        well |= before
        ahead += before
    return well


def test_nothing_goes_wrong_in_any_order_of_events():
    worlds, steps, wrongs = walk()
    assert wrongs == set()
    assert {world.row for world in worlds} == {None, *State} - BY_HAND
    assert len(worlds) > 200
    assert steps > 600


def test_every_transition_of_the_table_is_used():
    worlds, _, _ = walk()
    pairs = {
        (source, target)
        for sources, target in TRANSITIONS.values()
        for source in sources
        if not BY_HAND & {source, target}
    }
    walked = {
        (world.row, after.row)
        for world in worlds
        for after in [*issuing(world, ""), *people(world, ""), *worker(world, "")]
    }
    assert pairs <= walked


GUARDS = {
    "intent before effect": "a key in Cerby that has no row",
    "the lease on the answer": "removed by the portal, and shown as live",
    "one claim": "revealed twice",
    "sealed bytes go with the key": "sealed bytes outside READY",
    "sealed bytes vanish too": "sealed bytes outside READY",
    "sealed bytes are not kept": "sealed bytes outside READY",
    "absence is settled": "said to be absent while its request is under way",
    "a lease ends": "rests with a live key that nobody holds",
    "a view's timer": "rests with a live key that nobody holds",
    "the sweep": "rests with a live key that nobody holds",
    "a view beats the timer": "taken from who holds it",
    "believing only what Cerby says": "said to be removed, and lives",
}


@in_one_test("guard, wrong", GUARDS.items())
def test_the_check_notices_each_missing_guard(guard, wrong):
    _, _, wrongs = walk(without=guard)
    assert wrong in wrongs


@pytest.mark.parametrize(
    "move", [Transition.FIND, Transition.REAPPEAR, Transition.LOSE_ANSWER, Transition.REVOKE]
)
def test_the_check_notices_a_state_without_a_way_out(monkeypatch, move):
    monkeypatch.setitem(TRANSITIONS, move, (frozenset(), TRANSITIONS[move][1]))
    assert "rests with a live key that nobody holds" in walk()[2]
