"""Check every order of events in a rotation, with the code's own steps. Each guard is removed once.

The model is small: both keys, who uses them, when a sweep looked, the deadline and the people. It asks ``next_step`` for the
portal's next step, as the worker does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keys.rules.lifecycle import State
from keys.rules.rotation import OPEN, STEPS, Proof, RotationState, Sight, Step, next_step
from tests.support.cases import in_one_test

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LAST = 3
"""Days in the model. The old key is quiet after one day, and the overlap ends on the second."""
ENDED = {State.REVOKED, State.ABSENT}


@dataclass(frozen=True)
class World:
    """Times are days. ``looked``: the day of the last sweep, which saw ``old_use`` and ``new_use``."""

    state: RotationState = RotationState.PREPARING
    old: State = State.HELD
    new: State = State.CALLING
    today: int = 0
    old_used: int | None = None
    new_used: int | None = None
    looked: int | None = None
    old_seen: int | None = None
    new_seen: int | None = None
    used_at: int | None = None
    returned_at: int | None = None
    wrong: str = ""


def at(day: int | None) -> datetime | None:
    return None if day is None else START + day * DAY


def sight(world: World, kind: type[Sight] = Sight) -> Sight:
    return kind(
        state=world.state,
        old_state=world.old,
        new_state=world.new,
        new_used_at=at(world.new_seen),
        old_used_at=at(world.old_seen),
        old_seen_until=at(world.looked),
        used_at=at(world.used_at),
        returned_at=at(world.returned_at),
        quiet_after=DAY,
        overlap_until=START + 2 * DAY,
    )


class Unwatched(Sight):
    """Do not look at the old key any more once the new one is in use."""

    was_used_again = False


class QuietFromTheStart(Sight):
    """Count the silence of the old key without asking since when the new one is in use."""

    is_quiet = True


class CutOverAtOnce(Sight):
    """Take the new key for used although nothing has used it."""

    is_cut_over = True
    cut_over_at = START


KINDS: dict[str, type[Sight]] = {
    "the old key is watched": Unwatched,
    "quiet counts from the use of the new key": QuietFromTheStart,
    "a use of the old key counts": CutOverAtOnce,
}
MISSING_STEPS = {"a deadline is kept": Step.MISS, "a lost key ends its rotation": Step.CALL_OFF}


def decided(world: World, without: str) -> Step | None:
    """Return what the portal does next, without one guard."""
    step = next_step(sight(world, KINDS.get(without, Sight)), START + world.today * DAY)
    if step is not None and step is MISSING_STEPS.get(without):
        return None
    if without == "the new key is stored first" and world.state is RotationState.PREPARING:
        return step or Step.STORE
    if without == "only a person deletes the old key" and step is Step.MISS:
        return Step.RETIRE
    return step


def taken(world: World, step: Step) -> World:
    sources, target = STEPS[step]
    if world.state not in sources:
        return replace(world, wrong=f"{step} from {world.state}")
    after = replace(world, state=target or world.state)
    if step in {Step.USE, Step.USE_LATE}:
        seen = [day for day in (world.old_seen, world.new_seen) if day is not None]
        return replace(after, used_at=world.used_at if world.used_at is not None else max(seen, default=0))
    if step in {Step.USE_AGAIN, Step.USE_AGAIN_LATE}:
        return replace(after, used_at=None, returned_at=world.old_seen)
    return after


def portal(world: World, without: str) -> Iterator[World]:
    """Yield what the worker does: it takes a step, or sweeps."""
    step = decided(world, without)
    if step is not None:
        after = taken(world, step)
        if step is Step.RETIRE and world.old not in ENDED:
            after = replace(after, old=State.REVOKED, wrong="the portal deleted the old key")
        if step is Step.STORE and world.new is not State.HELD:
            after = replace(after, wrong="the overlap began without a new key")
        if step is Step.USE and world.new_used is None:
            after = replace(after, wrong="counted a key as used that nothing uses")
        yield after
    if world.old not in ENDED and world.new is State.HELD:
        yield replace(world, looked=world.today, old_seen=world.old_used, new_seen=world.new_used)


def others(world: World) -> Iterator[World]:
    """Yield what time, Cerby, software and people do to the keys, outside the rotation."""
    if world.today < LAST:
        yield replace(world, today=world.today + 1)
    if world.new is State.CALLING:
        yield replace(world, new=State.ABSENT)
        yield replace(world, new=State.READY)
    if world.new is State.READY:
        yield replace(world, new=State.HELD)
        yield replace(world, new=State.REVOKED)
    if world.new is State.HELD:
        yield replace(world, new_used=world.today)
    if world.old is State.HELD:
        yield replace(world, old_used=world.today)
        yield replace(world, old=State.REVOKED)


def people(world: World, without: str) -> Iterator[World]:
    """Yield what a person does who wants proof: they retire the old key with it, or call the rotation off."""
    if world.state not in OPEN:
        return
    proof = sight(world, KINDS.get(without, Sight)).proof
    if world.state is not RotationState.PREPARING and proof is Proof.QUIET:
        wrong = "" if _was_quiet(world) else "retired with proof, and it was in use"
        yield replace(taken(world, Step.RETIRE), old=State.REVOKED, wrong=wrong)
    if world.new_seen is None or without == "a key in use is not called off":
        new = State.ABSENT if world.new in {State.CALLING, State.ABSENT} else State.REVOKED
        wrong = "deleted the key in use" if world.new_seen is not None else ""
        yield replace(taken(world, Step.CALL_OFF), new=new, wrong=wrong)


def _was_quiet(world: World) -> bool:
    """Return whether the last sweep saw the new key in use, and no use of the old one for a day before it."""
    if world.looked is None or world.new_seen is None:
        return False
    return world.looked - (world.old_seen or 0) >= 1


def what_is_wrong(world: World, without: str) -> str:
    settled = decided(world, without) is None and world.state in OPEN
    running = world.state in {RotationState.OVERLAP, RotationState.CUT_OVER, RotationState.QUIET}
    cut_over = world.state in {RotationState.CUT_OVER, RotationState.QUIET}
    wrongs = {
        "used again, and nobody is told": settled and cut_over and sight(world).was_used_again,
        "rests after its keys have ended": settled and ({world.old, world.new} & ENDED != set()),
        "rests after its deadline": settled and running and world.today > 2,
        "called off with a live new key": world.state is RotationState.CALLED_OFF and world.new not in ENDED,
        "retired with a live old key": world.state is RotationState.RETIRED and world.old not in ENDED,
    }
    return world.wrong or next((wrong for wrong, is_so in wrongs.items() if is_so), "")


def walk(without: str = "") -> tuple[set[World], set[str]]:
    ahead, seen, wrongs = [World()], {World()}, set()
    while ahead:
        world = ahead.pop()
        if wrong := what_is_wrong(world, without):
            wrongs.add(wrong)
            continue  # do not explore beyond a problem
        onward = {*portal(world, without), *others(world), *people(world, without)}
        ahead += onward - seen
        seen |= onward
    return seen, wrongs


def test_nothing_goes_wrong_in_any_order_of_events():
    worlds, wrongs = walk()
    assert wrongs == set()
    assert {world.state for world in worlds} == set(RotationState)
    assert len(worlds) > 1000


GUARDS = {
    "the old key is watched": "used again, and nobody is told",
    "quiet counts from the use of the new key": "retired with proof, and it was in use",
    "a use of the old key counts": "counted a key as used that nothing uses",
    "a deadline is kept": "rests after its deadline",
    "a lost key ends its rotation": "rests after its keys have ended",
    "the new key is stored first": "the overlap began without a new key",
    "only a person deletes the old key": "the portal deleted the old key",
    "a key in use is not called off": "deleted the key in use",
}


@in_one_test("guard, wrong", GUARDS.items())
def test_the_check_notices_each_missing_guard(guard, wrong):
    assert wrong in walk(without=guard)[1]
