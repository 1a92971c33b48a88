"""Define the jobs of the walk, each with the scene that it needs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.paste import paste_key
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.keys.rescope import rescope_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.actions.rotation.start import start_rotation
from keys.actions.sync.sweep import sweep
from keys.crypto import seal
from keys.models import ApiKey, RevealGrant, User
from keys.rules.lifecycle import State
from keys.rules.permissions import Actor
from keys.rules.rotation import Because, Rotating
from tests import cast as people
from tests.support.asking import TAB, TAB_KEY, a_request

Facts = dict[str, Any]
"""The data of a job by name: ids, and the plain text of a key that a person created by hand."""

Tell = Callable[..., None]
"""``tell("held", key_id)`` reports the portal's answer to the person, which must hold from then on."""

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Stage:
    """The cast and the sandbox for setting a scene."""

    cast: people.Cast
    sandbox: Any
    vaults: list[str]


@dataclass(frozen=True)
class Job:
    """A job: ``prepare`` sets the scene and returns the data for ``run``, which may raise PortalError.

    Before operation ``first_of_its_own``, it does the same as another job.
    """

    run: Callable[[Facts, Tell], None]
    prepare: Callable[[Stage], Facts] = field(default=lambda stage: {})
    first_of_its_own: int = 1


def _me() -> Actor:
    return people.actor(User.objects.get(email=people.email_of("admin")))


def _a_new_key(stage: Stage) -> Facts:
    """Prepare a request by a person whose role must be read from Cerby again."""
    User.objects.update(role_checked_at=timezone.now() - DAY)
    return {"key": uuid.uuid4(), "vault": UUID(stage.vaults[0])}


def _issue_and_claim(facts: Facts, tell: Tell) -> str:
    me = _me()
    issue_key(me, a_request(id=facts["key"]))
    sealed = claim_key(me, facts["key"], session="tab")
    tell("revealed", facts["key"])
    info = seal.reveal_info(
        workspace=settings.CERBY_WORKSPACE,
        key_id=facts["key"],
        user_id=me.user_id,
        thumbprint=seal.thumbprint(TAB_KEY),
    )
    return seal.SUITE.decrypt(sealed, TAB, info).decode()


def _issue_and_save(facts: Facts, tell: Tell) -> None:
    plain = _issue_and_claim(facts, tell)
    save_in_cerby(_me(), facts["key"], secret=plain, vault_id=facts["vault"])
    tell("held", facts["key"])


def _issue_and_acknowledge(facts: Facts, tell: Tell) -> None:
    _issue_and_claim(facts, tell)
    acknowledge_key(_me(), facts["key"])
    tell("held", facts["key"])


def _a_held_key(stage: Stage) -> Facts:
    User.objects.update(role_checked_at=timezone.now() - DAY)
    key, _ = people.a_live_key(stage.sandbox, stage.cast.admin)
    people.with_a_life(key)
    return {"key": key.pk}


def _rotate(facts: Facts, tell: Tell) -> None:
    """Rotate a key. The old one must stay in use, wherever the process dies."""
    tell("held", facts["key"])
    me = _me()
    request = a_request(id=facts["new"], name="Its successor", scopes=("read:users",))
    start_rotation(me, request, Rotating(facts["key"], Because.SCHEDULED, 7 * DAY))
    claim_key(me, facts["new"], session="tab")
    tell("revealed", facts["new"])
    acknowledge_key(me, facts["new"])
    tell("held", facts["new"])


def _a_key_to_rotate(stage: Stage) -> Facts:
    return _a_held_key(stage) | {"new": uuid.uuid4()}


def _delete(facts: Facts, tell: Tell) -> None:
    if delete_key(_me(), facts["key"]).state == State.REVOKED:
        tell("removed", facts["key"])


def _rescope(facts: Facts, tell: Tell) -> None:
    rescope_key(_me(), facts["key"], "read:items", on=True)
    tell("rescoped", facts["key"])


def _made_by_hand(stage: Stage) -> Facts:
    """Create a key in Cerby's web app, to be requested and pasted by the job."""
    request = _by_hand(uuid.uuid4())
    cerby_id, plain = stage.sandbox.add_key(
        owner_email=stage.cast.admin.email,
        name=request.name,
        scopes=list(request.scopes),
        created_at=timezone.now(),
        expires_at=request.expires_at,
    )
    return {"key": request.id, "cerby_id": cerby_id, "plain": plain}


def _by_hand(key_id: UUID) -> Any:
    return a_request(id=key_id, name="By hand", tab_key=b"")


def _await_and_paste(facts: Facts, tell: Tell) -> None:
    me = _me()
    await_paste(me, _by_hand(facts["key"]))
    paste_key(me, facts["key"], facts["plain"])
    acknowledge_key(me, facts["key"])
    tell("held", facts["key"])


def _in_state(stage: Stage, state: State, **columns: Any) -> ApiKey:
    """Create a key that is live in Cerby and due for the reconciler."""
    key, _ = people.a_live_key(stage.sandbox, stage.cast.admin, stored_at=None)
    ApiKey.objects.filter(pk=key.pk).update(state=state, due_at=timezone.now(), **columns)
    people.with_a_life(ApiKey.objects.get(pk=key.pk))
    return key


def _lost_answers(stage: Stage) -> Facts:
    """Create a key whose process died during the call, and a request that created no key."""
    now = timezone.now()
    _in_state(stage, State.CALLING, lease=uuid.uuid4(), cerby_id=None, lease_until=now - MINUTE)
    never = people.a_key(stage.cast.admin, state=State.IN_DOUBT, stored_at=None, due_at=now)
    ApiKey.objects.filter(pk=never.pk).update(cerby_id=None, lease_until=now - 20 * MINUTE)
    people.with_a_life(ApiKey.objects.get(pk=never.pk))
    return {}


def _timers_that_are_over(stage: Stage) -> Facts:
    """Create a key that nobody viewed, and one that nobody confirmed."""
    ready = _in_state(stage, State.READY)
    RevealGrant.objects.create(
        key=ready, user=stage.cast.admin, sealed=b"sealed", thumbprint="t", expires_at=timezone.now()
    )
    _in_state(stage, State.CLAIMED)
    return {}


def _reconcile(_facts: Facts, _tell: Tell) -> None:
    reconcile_due()


def _an_unknown_key(stage: Stage) -> Facts:
    """Create a key in Cerby's web app, and change the scopes of another key there."""
    now: datetime = timezone.now()
    stage.sandbox.add_key(
        owner_email=stage.cast.owner.email,
        name="Made elsewhere",
        scopes=["read:users"],
        created_at=now - DAY,
        expires_at=now + 30 * DAY,
    )
    key, _ = people.a_live_key(stage.sandbox, stage.cast.admin)
    stage.sandbox.change_key(str(key.cerby_id), scopes=["read:items"])
    return {}


def _one_that_should_not_live(stage: Stage) -> Facts:
    """Create a key that was removed here but is live in Cerby, and an unviewed key that was removed in Cerby."""
    now = timezone.now()
    revived, _ = people.a_live_key(stage.sandbox, stage.cast.admin)
    ApiKey.objects.filter(pk=revived.pk).update(state=State.REVOKED, removed_at=now - 30 * MINUTE)
    people.with_a_life(ApiKey.objects.get(pk=revived.pk))
    removed = _in_state(stage, State.READY)
    ApiKey.objects.filter(pk=removed.pk).update(due_at=now + 14 * MINUTE)
    RevealGrant.objects.create(
        key=removed, user=stage.cast.admin, sealed=b"sealed", thumbprint="t", expires_at=now + 14 * MINUTE
    )
    stage.sandbox.change_key(str(removed.cerby_id), removed=True)
    return {}


def _sweep(_facts: Facts, _tell: Tell) -> None:
    sweep()


JOBS: dict[str, Job] = {
    "issue-save": Job(_issue_and_save, _a_new_key),
    "issue-acknowledge": Job(_issue_and_acknowledge, _a_new_key, first_of_its_own=11),
    "rotate": Job(_rotate, _a_key_to_rotate),
    "delete": Job(_delete, _a_held_key),
    "rescope": Job(_rescope, _a_held_key),
    "paste": Job(_await_and_paste, _made_by_hand),
    "settle": Job(_reconcile, _lost_answers),
    "timers": Job(_reconcile, _timers_that_are_over),
    "sweep-discover": Job(_sweep, _an_unknown_key),
    "sweep-revoke": Job(_sweep, _one_that_should_not_live),
}
