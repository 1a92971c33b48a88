"""The table of transitions: every state can end, ended keys stay ended, and the drawing is correct."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from keys.rules import lifecycle
from keys.rules.lifecycle import CAVEAT, ENDED, PHASE, TRANSITIONS, Phase, State, Status, Transition, status
from tests.support.cases import in_one_test

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def leads_to(state: State) -> set[State]:
    return {target for sources, target in TRANSITIONS.values() if state in sources}


@in_one_test("state", State)
def test_every_state_can_end(state):
    reached, ahead = set(), {state}
    while ahead:
        reached |= ahead
        ahead = set().union(*(leads_to(each) for each in ahead)) - reached
    assert reached & ENDED


def test_a_key_leaves_an_ended_state_only_if_cerby_lists_it_as_live():
    leaving = {
        state: {name for name, (sources, _) in TRANSITIONS.items() if state in sources} for state in State
    }
    assert {state for state in State if leaving[state] <= {Transition.REAPPEAR, Transition.KEEP}} == ENDED
    assert {state for state in State if Transition.REAPPEAR in leaving[state]} == ENDED - {State.WITHDRAWN}
    assert leaving[State.WITHDRAWN] == set()
    assert TRANSITIONS[Transition.REAPPEAR][1] is State.REVOKING


def test_every_state_can_be_reached():
    reached = {State.REQUESTED}
    while more := set().union(*(leads_to(state) for state in reached)) - reached:
        reached |= more
    assert reached == set(State)


def test_every_transition_is_in_the_table():
    assert TRANSITIONS.keys() == set(Transition)


def test_every_state_has_a_phase_and_every_phase_a_label():
    assert PHASE.keys() == set(State)
    assert set(PHASE.values()) == set(Phase)
    for phase in Phase:
        assert status(phase, NOW + timedelta(days=1), NOW).label


def test_a_key_that_may_still_work_is_never_shown_as_ended():
    """These are all keys that are neither ended nor only requested."""
    assert {PHASE[state] for state in ENDED} == {Phase.FAILED, Phase.REMOVED, Phase.WITHDRAWN}
    assert {state for state in State if PHASE[state] is Phase.FAILED} <= ENDED
    assert {state for state in State if PHASE[state] is Phase.REMOVED} - ENDED == {State.REVOKING}
    assert State.REVOKING in CAVEAT


@in_one_test("state", [State.READY, State.CLAIMED])
def test_a_live_key_has_a_note_until_it_is_stored(state):
    assert CAVEAT[state] == "storage unconfirmed"


def test_only_a_live_key_expires():
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    shown = {phase: (status(phase, future, NOW), status(phase, past, NOW)) for phase in Phase}
    assert shown == {
        Phase.PENDING: (Status.PENDING, Status.PENDING),
        Phase.LIVE: (Status.ACTIVE, Status.EXPIRED),
        Phase.REMOVED: (Status.REMOVED, Status.REMOVED),
        Phase.FAILED: (Status.FAILED, Status.FAILED),
        Phase.WITHDRAWN: (Status.WITHDRAWN, Status.WITHDRAWN),
    }
    assert status(Phase.LIVE, NOW, NOW) is Status.EXPIRED


def drawn_transitions() -> dict[Transition, tuple[frozenset[State], State]]:
    """Parse the drawing in the module's docstring: lines of ``A, B --name--> C --name--> D``, then a remark."""
    drawn = {}
    for line in (lifecycle.__doc__ or "").splitlines():
        parts = re.split(r" --(\w+)--> ", line.strip())
        for source, name, target in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            assert Transition(name) not in drawn
            sources = frozenset(State[word] for word in source.split(", "))
            drawn[Transition(name)] = sources, State[target.split()[0]]
    return drawn


def test_the_drawing_and_the_table_are_the_same():
    assert drawn_transitions() == TRANSITIONS
