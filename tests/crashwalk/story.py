"""Derive the state and the scopes of a key from its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keys.models import AuditEvent
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, State, Transition

States = frozenset[State | None]

_DONE = {
    Event.KEY_CALLED: {Transition.CALL},
    Event.KEY_AWAITED: {Transition.AWAIT_PASTE},
    Event.KEY_PASTED: {Transition.PASTE},
    Event.KEY_ISSUED: {Transition.ANSWER},
    Event.KEY_ANSWER_LOST: {Transition.LOSE_ANSWER, Transition.LOSE_SECRET},
    Event.KEY_CANCELLED: {Transition.CANCEL},
    Event.KEY_REVEALED: {Transition.CLAIM},
    Event.KEY_STORED: {Transition.STORE},
    Event.KEY_DELETION_STARTED: {Transition.REVOKE, Transition.REAPPEAR},
    Event.KEY_DELETED: {Transition.CONFIRM_REVOKED},
    Event.KEY_REMOVAL_DECLARED: {Transition.VANISH},
    Event.KEY_REMOVAL_CONFIRMED: {Transition.CONFIRM_REVOKED},
}
_FAILED = {Event.KEY_ISSUED: {Transition.REFUSE}}
_BEGINNINGS = {Event.KEY_REQUESTED: State.REQUESTED, Event.KEY_DISCOVERED: State.HELD}


def told(state: State | None, events: Iterable[AuditEvent]) -> States:
    """Return the states to which ``events`` can lead from ``state``; empty if the events contradict it."""
    states: States = frozenset({state})
    for event in events:
        states = _after(states, event)
    return states


def _after(states: States, event: AuditEvent) -> States:
    kind = Event(event.type)
    if kind in _BEGINNINGS:
        return frozenset({_BEGINNINGS[kind]}) if states == {None} else frozenset()
    moves = _moves(kind, event)
    if not moves:
        return states
    return frozenset(
        TRANSITIONS[move][1] for move in moves for state in states if state in TRANSITIONS[move][0]
    )


def _moves(kind: Event, event: AuditEvent) -> set[Transition]:
    details: dict[str, Any] = event.details
    if kind is Event.KEY_LOOKED_UP and event.outcome == "done":
        if details["found"]:
            return {Transition.FIND}
        return {Transition.FIND_ABSENT} if event.actor_id is None else set()
    if kind is Event.KEY_CHANGED:
        return {Transition.VANISH} if details["after"].get("status") == "removed" else set()
    table = {"done": _DONE, "failed": _FAILED}.get(event.outcome, {})
    return table.get(kind, set())


def scopes_told(scopes: list[str] | None, events: Iterable[AuditEvent]) -> list[str] | None:
    """Return the scopes that a key has after ``events``."""
    for event in events:
        if event.outcome != "done":
            continue
        if event.type == Event.KEY_RESCOPED:
            scopes = event.details["after"]
        elif event.type == Event.KEY_CHANGED:
            scopes = event.details["after"].get("scopes", scopes)
        elif "scopes" in event.details:
            scopes = event.details["scopes"]
    return scopes
