"""Verification finds an act without its approval, and a request or verdict that contradicts the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from keys.evidence.request_rows import changed_requests
from keys.models import AccessRequest, AuditEvent, Verdict
from keys.verifier.verify_bundle import Verifier, read_leaf
from tests.pages.test_request import approve, asked, generate, strict

__all__ = ["strict"]
KEY = "11111111-1111-4111-8111-111111111111"
ACT = {"name": "Export", "purpose": "P", "scopes": ["read:users"]}


def event(kind: str, who: str, digest: str = "a", **more: Any) -> dict[str, Any]:
    key = {"id": KEY, "name": "Export"} if kind.startswith("key:") else None
    return {
        "type": f"{kind}:done",
        "actor": {"id": who},
        "key": key,
        "details": {"request": "R", "digest": digest, **more},
    }


def opened(needed: int = 1) -> dict[str, Any]:
    return event("request:open", "1", needed=needed, frozen=ACT)


def requested(digest: str = "a", **more: Any) -> dict[str, Any]:
    values = {"purpose": "P", "scopes": ["read:users"], **more}
    return event("key:request", "1", digest, **values)


WIDER = {"key": KEY, "name": "Export", "scope": "read:items", "scopes": ["read:users"]}


def a_scope(*after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of an approved scope, then ``after``."""
    opened = event("request:open", "1", needed=1, frozen=WIDER)
    return [opened, event("request:approve", "2"), event("request:use", "1"), *after]


def rescoped(*added: str, before: tuple[str, ...] = ("read:users",)) -> dict[str, Any]:
    return event("key:start-rescope", "1", before=[*before], after=[*before, *added])


def done(kind: str = "key:rescope") -> dict[str, Any]:
    """Return an event that says that the key has other scopes now. It names no request."""
    return {"type": f"{kind}:done", "actor": None, "key": {"id": KEY}, "details": {}}


GOOD: dict[str, list[dict[str, Any]]] = {
    "one approval": [
        opened(),
        event("request:approve", "2"),
        event("request:use", "1"),
        requested(),
    ],
    "two approvals": [
        opened(2),
        event("request:approve", "2"),
        event("request:approve", "3"),
        event("request:use", "1"),
        requested(),
    ],
    "an accepted offer": [
        opened(),
        event("request:offer", "2", "b"),
        event("request:accept", "1", "b"),
        event("request:approve", "2", "b"),
        event("request:use", "1", "b"),
        requested("b", scopes=[]),
    ],
    "a scope": a_scope(rescoped("read:items"), done()),
    "a scope, again because nothing came of it": a_scope(
        rescoped("read:items"), event("request:use", "1"), rescoped("read:items"), done()
    ),
    "break-glass": [
        event("request:break-glass", "1", needed=1, frozen=ACT),
        event("request:use", "1"),
        requested(),
        event("request:review", "2"),
    ],
}
BAD: dict[str, list[dict[str, Any]]] = {
    "another scope": a_scope(rescoped("write:users")),
    "two scopes": a_scope(rescoped("read:items", "write:users")),
    "a key with other scopes": a_scope(rescoped("read:items", before=("read:teams",))),
    "another key": a_scope({**rescoped("read:items"), "key": {"id": "another"}}),
    "a scope, twice": a_scope(rescoped("read:items"), done(), event("request:use", "1")),
    "a scope, after Cerby showed others": a_scope(done("key:change"), event("request:use", "1")),
    "a scope that nobody approved": [
        event("request:open", "1", needed=1, frozen=WIDER),
        rescoped("read:items"),
    ],
    "a key with the approval of a scope": a_scope(requested()),
    "a scope with the approval of a key": [
        *(opened(), event("request:approve", "2"), event("request:use", "1")),
        rescoped("read:items"),
    ],
    "nobody opened it": [requested()],
    "nobody approved": [opened(), event("request:use", "1")],
    "the requester approved": [opened(), event("request:approve", "1")],
    "one person twice": [opened(2), event("request:approve", "2"), event("request:approve", "2")],
    "one approval is missing": [opened(2), event("request:approve", "2"), event("request:use", "1")],
    "another hash": [opened(), event("request:approve", "2", "b")],
    "not used": [opened(), event("request:approve", "2"), requested()],
    "used twice": [
        opened(),
        event("request:approve", "2"),
        event("request:use", "1"),
        event("request:use", "1"),
    ],
    "more scopes": [
        opened(),
        event("request:approve", "2"),
        event("request:use", "1"),
        requested(scopes=["read:users", "write:users"]),
    ],
    "approved before the offer": [
        opened(),
        event("request:offer", "2", "b"),
        event("request:approve", "2"),
        event("request:accept", "1", "b"),
    ],
    "denied, then used": [opened(), event("request:deny", "2"), event("request:use", "1")],
    "withdrawn by another": [opened(), event("request:withdraw", "2")],
    "reviewed by the requester": [
        event("request:break-glass", "1", needed=1, frozen=ACT),
        event("request:review", "1"),
    ],
}


def problems(events: list[dict[str, Any]]) -> list[str]:
    verifier = Verifier({}, [], datetime.now(UTC))
    verifier.key_states[KEY] = frozenset({"held"})
    return [words for each in events if (words := verifier.approval_error(each))]


@pytest.mark.parametrize("name", GOOD)
def test_an_act_that_was_approved_is_no_problem(name):
    assert problems(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_an_act_without_its_approval_is_found(name):
    assert problems(BAD[name])


def test_an_approval_can_be_used_again_if_cerby_made_no_key():
    verifier_events = [opened(), event("request:approve", "2"), event("request:use", "1"), requested()]
    verifier = Verifier({}, [], datetime.now(UTC))
    assert not [each for each in verifier_events if verifier.approval_error(each)]
    verifier.key_states[KEY] = frozenset({"refused"})
    assert verifier.approval_error(event("request:use", "1")) == ""


def test_the_events_of_an_approved_key_are_a_possible_life(browser_of, cast, strict):
    address = asked(browser_of("admin"))
    approve(browser_of("owner"), address)
    generate(browser_of("admin"), address)
    verifier = Verifier({}, [], datetime.now(UTC))
    leaves = [read_leaf(bytes(one.leaf)) for one in AuditEvent.objects.order_by("id")]
    assert [verifier.life_error(leaf) or verifier.approval_error(leaf) for leaf in leaves] == [""] * len(
        leaves
    )
    assert next(leaf["type"] for leaf in leaves if "key:" in leaf["type"]) == "key:request:done"


def forged_verdict(request: AccessRequest) -> None:
    Verdict.objects.update(approver=request.requester)


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (lambda request: AccessRequest.objects.update(state="approved"), "state is 'approved'"),
        (lambda request: AccessRequest.objects.update(needed=0), "needed is 0"),
        (lambda request: AccessRequest.objects.update(least_role=10), "least_role is 10"),
        (lambda request: AccessRequest.objects.update(use_by=timezone.now()), "its last moment"),
        (lambda request: AccessRequest.objects.update(document="{}"), "does not have its hash"),
        (lambda request: AccessRequest.objects.update(digest="0" * 64), "digest is"),
        (forged_verdict, "its verdicts are not in the log"),
        (lambda request: Verdict.objects.all().delete(), "its verdicts are not in the log"),
        (lambda request: request.notifications.all().delete() and request.delete(), "its row was deleted"),
    ],
)
def test_a_changed_row_contradicts_the_log(browser_of, cast, strict, attack, words):
    address = asked(browser_of("admin"))
    approve(browser_of("owner"), address)
    generate(browser_of("admin"), address)
    assert list(changed_requests()) == []
    attack(AccessRequest.objects.get())
    assert words in " ".join(one.words for one in changed_requests())


def test_a_row_that_no_event_opened_contradicts_the_log(browser_of, cast):
    asked(browser_of("user"))
    request = AccessRequest.objects.get()
    request.pk = None
    request.save(force_insert=True)
    assert "no event opened it" in " ".join(one.words for one in changed_requests())
