"""The verifier's grammar of a key's life allows exactly the transitions of the portal's own table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from keys.rules.event_contents import DONE, OUTCOMES
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, State, Transition
from keys.verifier.verify_bundle import STEPS, states_after
from tests.house.project import texts
from tests.support.cases import in_one_test

NEW = frozenset({"new"})
BIRTHS = {
    "key:request:done": State.REQUESTED,
    "key:register:done": State.HELD,
    "key:discover:done": State.HELD,
}
DETAILS: dict[Transition, dict[str, Any]] = {
    Transition.FIND: {"found": True},
    Transition.FIND_ABSENT: {"found": False},
    Transition.VANISH: {"before": {"status": "active"}, "after": {"status": "removed"}},
}
"""The details that distinguish two transitions with the same event."""


def details_of(move: Transition, event: str) -> dict[str, Any]:
    return {} if event == "key:declare-removed:done" else DETAILS.get(move, {})


ABOUT_NO_KEY = {Event.KEY_SOUGHT}


def calls_of_move() -> Iterator[tuple[Transition, str]]:
    """Return every transition in the code with the event that it records, found by parsing the code."""
    for text in texts("keys/*.py").values():
        tree = ast.parse(text)
        named = dict(
            pair for node in ast.walk(tree) if isinstance(node, ast.Assign) for pair in _assigned(node)
        )
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and (arguments := _step_and_event(call)):
                step: Any
                event: Any
                step, event = arguments
                event = named.get(event.id) if isinstance(event, ast.Name) else event
                outcomes = [ast.unparse(word.value) for word in call.keywords if word.arg == "outcome"]
                outcome = outcomes[0].rpartition(".")[2].lower() if outcomes else "done"
                yield Transition[step.attr], f"{Event[event.attr].value}:{outcome}"


def _step_and_event(call: ast.Call) -> list[ast.expr]:
    """Return these arguments of ``transition`` or of the method that wraps it (``self._end`` in issue.py)."""
    if isinstance(call.func, ast.Name) and call.func.id == "transition":
        arguments = call.args[1:3]
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "_end":
        arguments = call.args[:2]
    else:
        return []
    return arguments if arguments and isinstance(arguments[0], ast.Attribute) else []


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    target = node.targets[0]
    names: list[ast.expr]
    names, values = ([target], [node.value]) if isinstance(target, ast.Name) else ([], [])
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        names, values = target.elts, node.value.elts
    yield from (
        (name.id, value) for name, value in zip(names, values, strict=True) if isinstance(name, ast.Name)
    )


@pytest.fixture(scope="module")
def moves() -> list[tuple[Transition, str]]:
    return sorted(set(calls_of_move()))


def test_every_transition_is_used(moves):
    assert {move for move, _ in moves} == set(Transition)


def test_transitions_are_possible_exactly_from_the_tables_states(moves, subtests):
    for move, event in moves:
        with subtests.test(move=move, event=event):
            _check_move(move, event, moves)


def _check_move(move: Transition, event: str, moves: list[tuple[Transition, str]]) -> None:
    sources, target = TRANSITIONS[move]
    alike = [
        TRANSITIONS[other][0] for other, its in moves if its == event and TRANSITIONS[other][1] == target
    ]
    sources = frozenset().union(sources, *alike)
    leads_there = {
        state
        for state in State
        if target.value in states_after(frozenset({state.value}), event, details_of(move, event))
    }
    assert leads_there - {target} == sources - {target}
    assert states_after(NEW, event, details_of(move, event)) in {
        frozenset(),
        frozenset({BIRTHS.get(event, "")}),
    }


def test_every_sequence_that_the_table_allows_is_accepted(moves):
    """Follow table and grammar in parallel from every first event, until no new states are found."""
    ahead = [(state, states_after(NEW, event, {})) for event, state in BIRTHS.items()]
    seen = set(ahead)
    while ahead:
        state, possible = ahead.pop()
        assert state.value in possible
        for move, event in moves:
            sources, target = TRANSITIONS[move]
            step = (target, states_after(possible, event, details_of(move, event)))
            if state in sources and step not in seen:
                seen.add(step)
                ahead.append(step)
    assert {state for state, _ in seen} == set(State)


def test_the_grammar_has_exactly_the_events_of_keys():
    about_keys = {
        event for event in Event if event.value.startswith(("key:", "rotation:", "exception:"))
    } - ABOUT_NO_KEY | {Event.ATTEMPT_REFUSED}
    known = {event.partition("+")[0] for _, _, events in STEPS for event in events}
    assert known == {
        f"{event.value}:{outcome}" for event in about_keys for outcome in OUTCOMES.get(event, DONE)
    }
    states = {state for sources, state, _ in STEPS for state in {*sources, state}}
    assert states - {"new", "any", "="} == {state.value for state in State}


@in_one_test(
    "story",
    [
        "issue",
        "call",
        "reveal",
        "store",
        "start-delete",
        "delete",
        "request request",
        "discover discover",
        "request issue",
        "request reveal",
        "request call reveal",
        "request call issue issue",
        "request call issue store",
        "request call issue reveal reveal",
        "request call issue reveal store reveal",
        "request call issue delete",
        "request call issue start-delete reveal",
        "request call issue reveal start-delete store",
        "request call issue reveal store start-delete delete delete",
        "request call issue reveal store start-delete delete confirm-removal",
        "request await paste paste",
        "request await issue",
        "request cancel cancel",
        "request cancel call",
        "request call lose-answer issue",
        "request call lose-answer look-up look-up reveal",
        "request call issue:failed issue",
        "discover reveal",
        "register reveal",
        "register start-delete adopt delete store",
    ],
)
def test_impossible_sequences_are_refused_at_their_last_event(story):
    *possible, impossible = (f"key:{event}" + ("" if ":" in event else ":done") for event in story.split())
    states = NEW
    for event in possible:
        states = states_after(states, event, {})
        assert states, event
    assert not states_after(states, impossible, {})
