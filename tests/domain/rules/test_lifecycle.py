"""The life of a key as data: no state is a trap, no ended state comes back, and the drawing tells the truth."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from keys.rules import lifecycle
from keys.rules.lifecycle import CAVEAT, ENDED, PHASE, TRANSITIONS, Phase, State, Status, Transition, status

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def leads_to(state: State) -> set[State]:
    return {target for sources, target in TRANSITIONS.values() if state in sources}


@pytest.mark.parametrize("state", State)
def test_every_state_can_end(state):
    reached, ahead = set(), {state}
    while ahead:
        reached |= ahead
        ahead = set().union(*(leads_to(each) for each in ahead)) - reached
    assert reached & ENDED


def test_an_ended_state_is_left_only_when_cerby_lists_the_key_as_live_all_the_same():
    leaving = {
        state: {move for move, (sources, _) in TRANSITIONS.items() if state in sources} for state in State
    }
    assert {state for state in State if leaving[state] <= {Transition.REAPPEAR, Transition.KEEP}} == ENDED
    assert {state for state in State if Transition.REAPPEAR in leaving[state]} == ENDED
    assert TRANSITIONS[Transition.REAPPEAR][1] is State.REVOKING


def test_every_state_is_reached_from_the_first():
    reached = {State.REQUESTED}
    while more := set().union(*(leads_to(state) for state in reached)) - reached:
        reached |= more
    assert reached == set(State)


def test_every_move_is_in_the_table():
    assert TRANSITIONS.keys() == set(Transition)


def test_every_state_has_a_phase_and_every_phase_a_label():
    assert PHASE.keys() == set(State)
    assert set(PHASE.values()) == set(Phase)
    for phase in Phase:
        assert status(phase, NOW + timedelta(days=1), NOW).label


def test_a_key_that_may_open_something_is_never_shown_as_ended():
    """Live and half-live keys: all that are neither ended nor only asked for."""
    assert {PHASE[state] for state in ENDED} == {Phase.FAILED, Phase.REMOVED}
    assert {state for state in State if PHASE[state] is Phase.FAILED} <= ENDED
    assert {state for state in State if PHASE[state] is Phase.REMOVED} - ENDED == {State.REVOKING}
    assert State.REVOKING in CAVEAT


@pytest.mark.parametrize("state", [State.READY, State.CLAIMED])
def test_until_it_is_stored_a_live_key_says_so(state):
    assert CAVEAT[state] == "storage unconfirmed"


def test_only_a_live_key_expires():
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    shown = {phase: (status(phase, future, NOW), status(phase, past, NOW)) for phase in Phase}
    assert shown == {
        Phase.PENDING: (Status.PENDING, Status.PENDING),
        Phase.LIVE: (Status.ACTIVE, Status.EXPIRED),
        Phase.REMOVED: (Status.REMOVED, Status.REMOVED),
        Phase.FAILED: (Status.FAILED, Status.FAILED),
    }
    assert status(Phase.LIVE, NOW, NOW) is Status.EXPIRED


def drawn_moves() -> dict[Transition, tuple[frozenset[State], State]]:
    """The drawing in the module's docstring: lines of ``A, B --move--> C --move--> D``, then a remark."""
    moves = {}
    for line in (lifecycle.__doc__ or "").splitlines():
        parts = re.split(r" --(\w+)--> ", line.strip())
        for source, name, target in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            assert Transition(name) not in moves
            sources = frozenset(State[word] for word in source.split(", "))
            moves[Transition(name)] = sources, State[target.split()[0]]
    return moves


def test_the_drawing_and_the_table_name_the_same_moves():
    assert drawn_moves() == TRANSITIONS
