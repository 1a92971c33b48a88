"""Remove one guard of the portal at a time, to show that the oracle notices."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys import issue, revoke
from keys.actions.keys.delete import delete_key
from keys.audit import log
from keys.cerby.client import CerbyClient
from keys.crypto import seal
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import CerbyInDoubt
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, Transition
from keys.rules.permissions import Actor
from keys.rules.rotation import Rotating
from keys.validation.new_key import KeyRequest
from tests.crashwalk import jobs


@dataclass(frozen=True)
class Missing:
    """A missing guard, and the case in which the oracle must notice it.

    ``remove`` is called in the process that runs ``job``. ``wrong`` is part of the oracle's sentence.
    ``at``, ``fault``, ``nth`` and ``stopped``: see ``walk.Case``. ``recovery``: the part of the worker that is
    missing, if the guard is not part of the job.
    """

    job: str
    at: int
    wrong: str
    remove: Callable[[], None] = field(default=lambda: None)
    fault: str = ""
    nth: int = 0
    stopped: bool = False
    recovery: dict[str, bool] = field(default_factory=dict)


def _no_transactions() -> None:
    transaction.atomic = lambda *_args, **_options: nullcontext()
    connection.features.has_select_for_update = False  # Django refuses to lock a row without a transaction


def _intent_after_effect() -> None:
    """Call Cerby before anything is recorded."""

    def naive(actor: Actor, request: KeyRequest) -> None:
        issued = cerby.connect().issue_key(
            name=request.name,
            scopes=request.scopes,
            expires_at=request.expires_at,
            owner_id=actor.cerby_id,
            external_id=request.id,
        )
        ApiKey.objects.create(
            id=request.id,
            cerby_id=issued.id,
            name=request.name,
            owner_id=actor.user_id,
            owner_name=actor.name,
            owner_email=actor.email,
            scopes=list(issued.scopes),
            state="held",
            created_at=timezone.now(),
            expires_at=issued.expires_at,
        )

    jobs.issue_key = naive


def _a_second_post() -> None:
    once = CerbyClient.issue_key

    def twice(self: CerbyClient, **asked: Any) -> Any:
        try:
            return once(self, **asked)
        except CerbyInDoubt:
            return once(self, **asked)

    CerbyClient.issue_key = twice


def _an_unconditional_move() -> None:
    """Store the answer without checking the state and the lease."""

    def careless(key: ApiKey, step: Transition, event: Event, actor: Actor, **more: Any) -> None:
        columns = {"lease": None, **more.pop("changes", {}), "state": TRANSITIONS[step][1]}
        ApiKey.objects.filter(pk=key.pk).update(**columns)
        details = {name: value for name, value in more.items() if name not in {"holding", "still"}}
        log.append(event, actor=actor, key=key, **details)

    issue.transition = careless


def _a_view_that_stays() -> None:
    """Return the sealed bytes without deleting them."""
    jobs.claim_key = lambda _actor, key_id, *, session: bytes(RevealGrant.objects.get(pk=key_id).sealed)


def _no_seal() -> None:
    issue.seal.seal = lambda secret, **_place: secret.encode()
    seal.SUITE = _Open()


class _Open:
    def decrypt(self, sealed: bytes, *_rest: Any) -> bytes:
        return sealed


def _belief_in_204() -> None:
    revoke._delete_and_verify = lambda _key, cerby_id: cerby.connect().delete_key(cerby_id)


def _the_old_key_first() -> None:
    """Delete the old key as soon as its successor is made, before anybody has stored that one."""
    rotate = jobs.start_rotation

    def naive(actor: Actor, request: KeyRequest, rotating: Rotating) -> None:
        rotate(actor, request, rotating)
        delete_key(actor, rotating.old)

    jobs.start_rotation = naive


GUARDS: dict[str, Missing] = {
    "a move and its event in one transaction": Missing(
        "issue-acknowledge", 5, "do not lead from", _no_transactions
    ),
    "intent before effect": Missing("issue-acknowledge", 4, "has no row", _intent_after_effect),
    "one POST": Missing(
        "issue-acknowledge", 0, "requests for a key on the wire", _a_second_post, "reset-after-commit", 1
    ),
    "the lease on the answer": Missing(
        "issue-acknowledge", 8, "do not lead from", _an_unconditional_move, stopped=True
    ),
    "one claim": Missing("issue-save", 0, "revealed 2 times", _a_view_that_stays),
    "the seal": Missing("issue-save", 10, "plain text in", _no_seal),
    "believing only what Cerby lists": Missing(
        "delete", 0, "said to be removed, and lives", _belief_in_204, "delete-204-live"
    ),
    "the reconciler": Missing("issue-save", 5, "does not come to rest", recovery={"reconciles": False}),
    "the old key goes last": Missing("rotate", 0, "a rotation lost its old key", _the_old_key_first),
    "the sweep": Missing(
        "issue-acknowledge",
        0,
        "lives in Cerby, and not in the inventory",
        fault="commit-20-min-late",
        recovery={"sweeps": False},
    ),
}
