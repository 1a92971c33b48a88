"""Check the state after a crash, at once and at rest, and describe each problem in one sentence."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from keys.actions.keys.claim import claim_key
from keys.models import ApiKey, AuditEvent, RevealGrant, Rotation, User
from keys.rules.errors import PortalError
from keys.rules.lifecycle import PHASE, Phase, State
from keys.rules.rotation import next_step
from tests import cast as people
from tests.crashwalk.life import Life
from tests.crashwalk.story import scopes_told, told

RESTING = {State.HELD, State.REVOKED, State.REFUSED, State.ABSENT}
WAITING = {State.CLAIMED, State.AWAITED}
"""States with a timer that is longer than a recovery takes."""


@dataclass(frozen=True)
class Before:
    """The state before the job. ``keys`` has the state and scopes of each row."""

    keys: dict[UUID, tuple[State, list[str]]] = field(default_factory=dict)
    last_event: int = 0
    last_request: int = 0

    @classmethod
    def now(cls, journal: list[dict[str, Any]]) -> Before:
        rows = ApiKey.objects.values_list("pk", "state", "scopes")
        last = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first()
        return cls(
            keys={pk: (State(state), scopes) for pk, state, scopes in rows},
            last_event=last or 0,
            last_request=max((entry["sequence"] for entry in journal), default=0),
        )


@dataclass(frozen=True)
class Upstream:
    """Cerby's keys, and the requests that it has received since the scene was set."""

    keys: list[dict[str, Any]]
    requests: list[dict[str, Any]]

    @property
    def live(self) -> list[dict[str, Any]]:
        return [key for key in self.keys if key["status"] == "active"]

    def asked(self, method: str, path: str) -> list[dict[str, Any]]:
        return [one for one in self.requests if one["method"] == method and re.fullmatch(path, one["path"])]


def wrong_at_any_moment(before: Before, upstream: Upstream, lives: Iterable[Life]) -> list[str]:
    """Return the problems that must not occur even right after the crash."""
    return [
        *_ghosts(upstream),
        *_reveals(lives),
        *_removals(upstream, lives),
        *_sealed(),
        *_stories(before),
        *_wire(before, upstream),
        *(f"broke off: {life.broke}" for life in lives if life.broke),
    ]


def wrong_at_rest(upstream: Upstream, lives: Iterable[Life]) -> list[str]:
    """Return the problems that must not remain after the recovery."""
    return [*_inventory(upstream), *_unrest(), *_promises(lives), *_rotations()]


def _ghosts(upstream: Upstream) -> Iterator[str]:
    """Find keys in Cerby with our external id but without a row."""
    ours = [key for key in upstream.live if key["external_id"]]
    rows = set(
        ApiKey.objects.filter(pk__in=[key["external_id"] for key in ours]).values_list("pk", flat=True)
    )
    for key in ours:
        if UUID(key["external_id"]) not in rows:
            yield f"lives in Cerby, and has no row: {key['name']}"


def _reveals(lives: Iterable[Life]) -> Iterator[str]:
    """Find keys that can be viewed more than once."""
    counted = Counter(key for life in lives for key in life.of("revealed"))
    for key in list(counted):
        with suppress(PortalError):
            owner = User.objects.get(email=people.email_of("admin"))
            claim_key(people.actor(owner), key, session="another")
            counted[key] += 1
    yield from (f"revealed {count} times: {key}" for key, count in counted.items() if count > 1)


def _removals(upstream: Upstream, lives: Iterable[Life]) -> Iterator[str]:
    live = {key["external_id"] for key in upstream.live}
    reported = {str(key) for life in lives for key in life.of("removed")}
    yield from (f"was said to be removed, and lives: {key}" for key in live & reported)


def _sealed() -> Iterator[str]:
    grants = RevealGrant.objects.filter(sealed__isnull=False).exclude(key__state=State.READY)
    yield from (f"sealed bytes in state {grant.key.state}" for grant in grants.select_related("key"))


def _stories(before: Before) -> Iterator[str]:
    """Find keys whose events do not lead to their state or scopes."""
    stories: dict[UUID | None, list[AuditEvent]] = defaultdict(list)
    for event in AuditEvent.objects.filter(id__gt=before.last_event).order_by("id"):
        stories[event.key_id].append(event)
    for key in ApiKey.objects.all():
        state, scopes = before.keys.get(key.pk, (None, None))
        story = stories[key.pk]
        types = [f"{event.type} {event.outcome}" for event in story]
        if key.state not in told(state, story):
            yield f"its events {types} do not lead from {state} to {key.state}"
        if key.scopes != scopes_told(scopes, story):
            yield f"its events {types} do not give it the scopes {key.scopes}"


def _wire(before: Before, upstream: Upstream) -> Iterator[str]:
    """Find requests to Cerby that were not recorded before, and keys that were requested twice."""
    types = Counter(AuditEvent.objects.filter(id__gt=before.last_event).values_list("type", flat=True))
    creates = upstream.asked("POST", "/api/v1/api-keys")
    if len(creates) > types["key:call"]:
        yield f"{len(creates)} requests for a key on the wire, {types['key:call']} written down"
    twice = Counter(one["external_id"] for one in creates if one["external_id"])
    yield from (f"asked for {count} times: {key}" for key, count in twice.items() if count > 1)
    if len(upstream.asked("PATCH", "/api/v1/api-keys/.*")) > types["key:start-rescope"]:
        yield "scopes were changed in Cerby without a word before"
    if len(upstream.asked("POST", "/api/v1/secrets")) > types["key:start-save"]:
        yield "a secret was saved in Cerby without a word before"
    going = {State.REVOKING, State.REVOKED}
    deleted = {one["path"].rpartition("/")[2] for one in upstream.asked("DELETE", "/api/v1/api-keys/.*")}
    rows = {str(cerby_id): state for cerby_id, state in ApiKey.objects.values_list("cerby_id", "state")}
    yield from (
        f"deleted in Cerby, and {rows.get(one)} here" for one in deleted if rows.get(one) not in going
    )


def _inventory(upstream: Upstream) -> Iterator[str]:
    """Find live keys that are not live on the other side, or differ there."""
    rows = ApiKey.objects.filter(phase=Phase.LIVE, missing_since__isnull=True, expires_at__gt=timezone.now())
    here = {str(row.cerby_id): row for row in rows if row.cerby_id}
    there = {key["id"]: key for key in upstream.live}
    for one in there.keys() - here.keys():
        states = list(ApiKey.objects.filter(cerby_id=one).values_list("state", flat=True))
        yield f"lives in Cerby, and not in the inventory: {there[one]['name']} {states}"
    for one in here.keys() - there.keys():
        yield f"lives in the inventory, and not in Cerby: {here[one].name} ({here[one].state})"
    for one in here.keys() & there.keys():
        row, key = here[one], there[one]
        if (row.name, set(row.scopes), row.owner_email) != (
            key["name"],
            set(key["scopes"].split()),
            key["email"],
        ):
            yield f"told otherwise by Cerby: {row.name} {row.scopes} {row.owner_email}, {key}"
        if key["external_id"] and str(row.pk) != key["external_id"]:
            yield f"another row than the one that asked for it: {row.name}"


def _unrest() -> Iterator[str]:
    """Find keys that are neither held nor ended nor waiting for a timer."""
    for key in ApiKey.objects.exclude(state__in=RESTING):
        is_for_a_person = key.cerby_id is None and key.origin != ApiKey.Origin.GENERATED
        is_timed = key.state in WAITING and (key.due_at is not None or is_for_a_person)
        if not is_timed and not (key.state == State.REVOKING and is_for_a_person):
            yield f"rests in state {key.state}, due at {key.due_at}"


def _rotations() -> Iterator[str]:
    """Find rotations that do not say what became of their keys."""
    for rotation in Rotation.objects.select_related("old", "new"):
        if step := next_step(rotation.sight(), timezone.now()):
            yield f"a rotation rests in {rotation.state}, before {step}"
        if rotation.old.state != State.HELD and not _vanished(rotation.old_id):
            yield f"a rotation lost its old key, which is {rotation.old.state}"
        if rotation.state == "called_off" and PHASE[State(rotation.new.state)] is Phase.LIVE:
            yield "a rotation is called off, and its new key is in use"


def _promises(lives: Iterable[Life]) -> Iterator[str]:
    """Find keys that contradict an answer to a person, unless somebody changed them in Cerby itself."""
    rows = {row.pk: row for row in ApiKey.objects.all()}
    for life in lives:
        for key in life.of("held"):
            was_removed_there = rows[key].state == State.REVOKED and _vanished(key)
            if rows[key].state != State.HELD and not was_removed_there:
                yield f"was said to be stored, and is {rows[key].state}"
        for key in life.of("removed"):
            if rows[key].state != State.REVOKED:
                yield f"was said to be removed, and is {rows[key].state}"
        for key in life.of("rescoped"):
            if PHASE[State(rows[key].state)] is not Phase.LIVE and not _vanished(key):
                yield f"was given other scopes, and is {rows[key].state}"


def _vanished(key: UUID) -> bool:
    return AuditEvent.objects.filter(key_id=key, type="key:change", details__after__status="removed").exists()
