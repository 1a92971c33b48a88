"""Recover from every fault of Cerby during creation or deletion: no live key without a holder remains."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, RevealGrant
from keys.rules.errors import PortalError
from keys.rules.lifecycle import State
from sandbox import Sandbox
from sandbox.faults.catalogue import CATALOGUE
from tests import cast as people
from tests.cast import a_live_key, with_a_life
from tests.sandbox.faults import DELETE, ISSUE
from tests.support.asking import a_request
from tests.support.background import asked, let_pass_in_both, live_here, live_upstream, story_of

NOT_ON_A_ROUTE = {"refuse-connections": "closes the port for all routes", "go-down": "the same, for a while"}
QUICK: dict[str, dict[str, Any]] = {
    "hang-after-commit": {"seconds": 0.2},
    "hang-uncommitted": {"seconds": 0.2},
    "slow-bytes": {"seconds": 0.0001},
    "huge-body": {"size": 6_000_000},
    "commit-late": {"seconds": 5},
}
BOTH_WAYS = {name for name, fault in CATALOGUE.items() if "committed" in fault.options}


def cases(route: str) -> list[Any]:
    method, path = route.split()
    names = [name for name, fault in CATALOGUE.items() if _concerns(fault, method, path)]
    rules: list[dict[str, Any]]
    rules = [{"fault": name, **QUICK.get(name, {})} for name in names if name not in NOT_ON_A_ROUTE]
    rules += [{"fault": name, "committed": True} for name in names if name in BOTH_WAYS]
    return [
        pytest.param(rule, id=f"{rule['fault']}{'-committed' if 'committed' in rule else ''}")
        for rule in rules
    ]


def _concerns(fault: Any, method: str, path: str) -> bool:
    """A request with only a method and a path."""
    return fault.matches(SimpleNamespace(method=method, path=path.replace("*", str(uuid.uuid4()))))


def recover(sandbox: Sandbox) -> None:
    """Remove the faults, and let the worker run for an hour."""
    sandbox.faults.clear()
    for minutes in (1, 15, 35):
        let_pass_in_both(sandbox, timedelta(minutes=minutes))
        reconcile_due()
        sweep()


@pytest.fixture
def me(cast, sandbox):
    a_live_key(sandbox, cast.owner, name="Bystander")
    return people.actor(cast.admin)


@pytest.mark.parametrize("rule", cases(ISSUE))
def test_after_any_fault_no_live_key_without_a_holder_remains(me, sandbox, rule):
    request = a_request()
    sandbox.faults.set([{**rule, "route": ISSUE, "count": 1, "seed": 7}])
    with suppress(PortalError):
        issue_key(me, request)
    assert sandbox.faults.fired(), "the fault did not happen"
    views = [view for view in (_view(me, request.id), _view(me, request.id)) if view]
    recover(sandbox)

    key = ApiKey.objects.get(pk=request.id)
    assert live_upstream(sandbox) == live_here(), rule
    assert len(views) == (1 if key.state == State.CLAIMED or _revealed(key) else 0), rule
    assert len(views) <= 1, rule
    assert len(asked(sandbox, "POST", path="/api/v1/api-keys")) <= 1, rule
    assert not RevealGrant.objects.filter(sealed__isnull=False).exists(), rule
    assert key.state in {State.CLAIMED, State.REFUSED, State.ABSENT, State.REVOKED}, rule
    assert _last_act_of(key) in _ACTS[State(key.state)], rule
    story = story_of(key)
    assert story[:2] == ["key:request", "key:call"], rule


def _view(me: Any, key_id: uuid.UUID) -> bytes | None:
    try:
        return claim_key(me, key_id, session="s")
    except PortalError:
        return None


def _revealed(key: ApiKey) -> bool:
    return AuditEvent.objects.filter(key_id=key.pk, type="key:reveal", outcome="done").exists()


_ACTS = {
    State.CLAIMED: {"key:reveal", "key:change"},
    State.REFUSED: {"key:issue"},
    State.ABSENT: {"key:look-up"},
    State.REVOKED: {"key:delete", "key:change"},
}


def _last_act_of(key: ApiKey) -> str:
    told = AuditEvent.objects.filter(key_id=key.pk).exclude(type="key:reveal", outcome="refused")
    return told.latest("id").type


@pytest.mark.parametrize("rule", cases(DELETE))
def test_after_any_fault_a_deleted_key_ends_up_removed(me, cast, sandbox, rule):
    key, plain = a_live_key(sandbox, cast.owner)
    with_a_life(key)
    sandbox.faults.set([{**rule, "route": DELETE, "count": 1, "seed": 7}])
    with suppress(PortalError):
        delete_key(me, key.pk)
    assert sandbox.faults.fired(), "the fault did not happen"
    assert ApiKey.objects.get(pk=key.pk).state == State.REVOKING or not sandbox.accepts(plain), rule
    recover(sandbox)
    assert ApiKey.objects.get(pk=key.pk).state == State.REVOKED, rule
    assert not sandbox.accepts(plain), rule
    assert live_upstream(sandbox) == live_here(), rule
    assert (story_of(key)[0], story_of(key)[-1]) == ("key:start-delete", "key:delete"), rule
