"""Generate the rows beside the keys: rotations, rotation tasks, plans for keys of leavers, and reach."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from benchmarks.loading import Row
from keys.models import User
from keys.rules.lifecycle import State
from keys.rules.rotation import OPEN, Because, RotationState

FLOOR = 60
"""The number of rows of each kind in a small database."""
UNDER_WAY, RETIRED, ASKED = 0.02, 0.04, 0.02
"""Shares of the keys."""
DAY = timedelta(days=1)


class Beside:
    """Choose keys before they are written, then write the rows that refer to them.

    ``lives`` are the states and times of the keys, by their positions.
    """

    def __init__(self, lives: list[dict[str, Any]], luck: random.Random, now: datetime) -> None:
        self._luck, self._now = luck, now
        held = [
            number
            for number, life in enumerate(lives)
            if life["state"] == State.HELD.value and life["expires_at"] > now
        ]
        gone = [number for number, life in enumerate(lives) if life["state"] == State.REVOKED.value]
        under_way, retired = (max(FLOOR, round(len(lives) * share)) for share in (UNDER_WAY, RETIRED))
        new = luck.sample(held, 2 * under_way + min(retired, len(gone)))
        self._under_way = [(new.pop(), new.pop()) for _ in range(under_way)]
        self._retired = list(zip(luck.sample(gone, len(new)), new, strict=True))
        self._ids = {
            number: uuid.UUID(int=luck.getrandbits(128), version=4).hex
            for pair in (*self._under_way, *self._retired)
            for number in pair
        }
        self._lineage = {
            number: (self._ids[old], generation)
            for old, new_one in (*self._under_way, *self._retired)
            for generation, number in ((1, old), (2, new_one))
        }
        free = [number for number in held if number not in self._ids]
        self._asked = dict.fromkeys(luck.sample(free, max(FLOOR, round(len(lives) * ASKED))), "")
        self._leavers: list[tuple[str, int]] = []

    def key(self, number: int, life: dict[str, Any], owner: User) -> Row:
        """Return the id of key ``number`` and its place in a lineage, and note who refers to it."""
        key_id = self._ids.get(number) or uuid.UUID(int=self._luck.getrandbits(128), version=4).hex
        lineage, generation = self._lineage.get(number, (None, None))
        if number in self._asked:
            self._asked[number] = key_id
        if life.get("owner_left_at"):
            self._leavers.append((key_id, owner.pk))
        return {"id": key_id, "lineage": lineage, "generation": generation}

    def rotations(self, people: list[User]) -> Iterator[Row]:
        """Yield rows of keys_rotation: under way in each state, and retired ones of the last year."""
        for pair in self._under_way:
            state = self._luck.choice(OPEN)
            yield self._rotation(
                pair, state, self._luck.choice(people), self._now - 5 * DAY * self._luck.random()
            )
        for pair in self._retired:
            started = self._now - 365 * DAY * self._luck.random()
            yield self._rotation(pair, RotationState.RETIRED, self._luck.choice(people), started)

    def _rotation(self, pair: tuple[int, int], state: RotationState, by: User, started: datetime) -> Row:
        old, new = (self._ids[number] for number in pair)
        is_stored, is_over = state is not RotationState.PREPARING, state is RotationState.RETIRED
        is_used = state in {RotationState.CUT_OVER, RotationState.QUIET, RotationState.RETIRED}
        is_quiet = state in {RotationState.QUIET, RotationState.RETIRED}
        ends = started + (timedelta() if state is RotationState.OVERDUE else 7 * DAY)
        return {
            "id": uuid.UUID(int=self._luck.getrandbits(128), version=4).hex,
            "old_id": old,
            "new_id": new,
            "state": state.value,
            "because": self._luck.choice(list(Because)).value,
            "overlap": 7 * 86_400,
            "overlap_until": _text(ends),
            "quiet_after": 86_400,
            "started_by_id": by.pk,
            "started_at": _text(started),
            "stored_at": _text(started) if is_stored else None,
            "used_at": _text(started + DAY) if is_used else None,
            "quiet_at": _text(started + 2 * DAY) if is_quiet else None,
            "returned_at": None,
            "ended_at": _text(started + 3 * DAY) if is_over else None,
            "proof": "quiet" if is_over else "",
        }

    def tasks(self, people: list[User]) -> Iterator[Row]:
        """Yield rows of keys_rotationtask, due from a week ago to a month from now."""
        for key_id in self._asked.values():
            yield {
                "key_id": key_id,
                "assigned_id": self._luck.choice(people).pk,
                "due_on": (self._now + self._luck.randint(-7, 30) * DAY).date().isoformat(),
                "asked_by_id": people[0].pk,
                "asked_at": _text(self._now - 10 * DAY),
            }

    def plans(self, people: list[User]) -> Iterator[Row]:
        """Yield rows of keys_leaverplan for the keys whose owner has left, half of them open."""
        for number, (key_id, owner) in enumerate(self._leavers):
            is_open = number % 2 == 0
            yield {
                "key_id": key_id,
                "person_id": owner,
                "decision": "" if is_open else "remove",
                "to_id": None,
                "until": None,
                "decided_by_id": None if is_open else people[0].pk,
                "decided_at": None if is_open else _text(self._now),
                "assigned_id": self._luck.choice(people).pk if is_open else None,
                "open_since": _text(self._now - 9 * DAY * self._luck.random()) if is_open else None,
            }


def reach(people: list[User], luck: random.Random, now: datetime) -> Iterator[Row]:
    """Yield rows of keys_reach: each person owns up to 300 items of each list."""
    lists = ("secrets", "accounts", "collections", "teams")
    for person in people:
        counts = {name: luck.randint(0, 300) for name in lists}
        items = {
            name: {f"{luck.getrandbits(48):012x}": 0 for _ in range(number)}
            for name, number in counts.items()
        }
        yield {
            "person_id": person.pk,
            **counts,
            "items": json.dumps(items),
            "salt": f"{luck.getrandbits(128):032x}",
            "counted_at": _text(now),
            "tried_at": _text(now),
            "due_at": _text(now + DAY),
        }


def _text(moment: datetime) -> str:
    return moment.isoformat(" ")
