"""Processes decide about one request at once, or use one approval: there is one outcome, and one event of it.

A naive version beside each loses for certain: every process has read before one of them writes.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from django.test import override_settings
from django.utils import timezone

from keys.actions.keys.generate_approved import generate_approved
from keys.actions.requests.change import withdraw
from keys.actions.requests.decide import approve, deny
from keys.models import AccessRequest, ApiKey, AuditEvent, User, Verdict
from keys.rules.errors import Conflict, Invalid
from keys.rules.requests import RequestKind, RequestState, canonical, digest_of
from keys.validation.frozen_request import frozen
from keys.validation.new_key import NO_TAB_KEY, KeyRequest
from tests import cast as people
from tests.support.racing import meet, race


@pytest.fixture
def size(nightly: bool) -> tuple[int, int]:
    """Return the numbers of processes and of requests."""
    return (24, 20) if nightly else (5, 3)


def settings_of_race() -> dict[str, Any]:
    """Return the settings for assisted mode, in which only the role is read from the sandbox."""
    names = ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")
    return {name: getattr(portal, name) for name in names} | {"CERBY_ISSUE_MODE": "assisted"}


def actor(name: str) -> Any:
    return people.actor(User.objects.get(email=people.email_of(name)))


def asked(requester: User, **columns: Any) -> AccessRequest:
    """Store a request without its event: the racing processes write the first ones of the log."""
    wanted = KeyRequest(
        id=uuid.uuid4(),
        name=uuid.uuid4().hex,
        purpose="To test with.",
        expires_at=timezone.now() + timedelta(days=5),
        scopes=("read:users",),
        tab_key=NO_TAB_KEY,
    )
    text, now = canonical(frozen(wanted, timedelta(days=1))), timezone.now()
    return AccessRequest.objects.create(
        kind=RequestKind.GENERATE,
        requester=requester,
        least_role=requester.role,
        needed=1,
        document=text,
        digest=digest_of(text),
        reason="To test.",
        made_at=now,
        decide_by=now + timedelta(days=1),
        **columns,
    )


def decide(number: int, subject: dict[str, Any]) -> str:
    """Decide, each process in its way. The naive version writes what it decided without looking again."""
    request = AccessRequest.objects.get(pk=subject["request"])
    way = ("approve", "deny", "withdraw")[number % 3]
    if subject["way"] == "naive":
        is_open = request.state == RequestState.OPEN
        meet()
        if is_open:
            AccessRequest.objects.filter(pk=request.pk).update(reason=way)
        return way if is_open else "refused"
    with override_settings(**subject["settings"]):
        try:
            if way == "approve":
                approve(actor("owner"), request.pk, digest=request.digest, begin=str)
            elif way == "deny":
                deny(actor("super_admin"), request.pk, reason="Too wide.")
            else:
                withdraw(actor("admin"), request.pk)
        except Conflict:
            return "refused"
    return way


def test_of_many_decisions_only_those_count_that_follow_each_other(database, committed_cast, size):
    processes, rounds = size
    subjects: list[dict[str, Any]] = [
        {"way": way, "request": str(asked(committed_cast.admin).pk), "settings": settings_of_race()}
        for way in ["portal"] * rounds + ["naive"]
    ]
    *outcomes, naive = race(database, f"{__name__}:decide", subjects, processes=processes)
    for subject, told in zip(subjects, outcomes, strict=False):
        done = [each for each in told if each != "refused"]
        assert len(done) == len(set(done))
        assert sorted(done) in (["approve"], ["approve", "withdraw"], ["deny"], ["withdraw"])
        ends = {"approve": "approved", "deny": "denied", "withdraw": "withdrawn"}
        request = AccessRequest.objects.get(pk=subject["request"])
        assert request.state == ends[max(done)]
        events = AuditEvent.objects.filter(details__request=subject["request"]).exclude(type="request:open")
        assert sorted(event.type for event in events) == sorted(f"request:{each}" for each in done)
    assert set(naive) == {"approve", "deny", "withdraw"}, "the control: all decide at once"


def use(number: int, subject: dict[str, Any]) -> str:
    """Generate the approved key. The naive version creates it if the request was approved when it looked."""
    request = AccessRequest.objects.get(pk=subject["request"])
    if subject["way"] == "naive":
        is_approved = request.state == RequestState.APPROVED
        meet()
        return "used" if is_approved else "refused"
    with override_settings(**subject["settings"]):
        try:
            generate_approved(actor("admin"), request.pk, key_id=uuid.uuid4(), tab_key=NO_TAB_KEY)
        except (Conflict, Invalid):  # the name is taken, if another process was first
            return "refused"
    return "used"


def test_an_approval_serves_one_key(database, committed_cast, size):
    processes, rounds = size
    subjects: list[dict[str, Any]] = []
    for way in ["portal"] * rounds + ["naive"]:
        now = timezone.now()
        usable = {"approved_at": now, "use_by": now + timedelta(days=1)}
        request = asked(committed_cast.admin, state=RequestState.APPROVED, **usable)
        Verdict.objects.create(
            request=request, approver=committed_cast.owner, approves=True, digest=request.digest, at=now
        )
        subjects.append({"way": way, "request": str(request.pk), "settings": settings_of_race()})
    *outcomes, naive = race(database, f"{__name__}:use", subjects, processes=processes)
    for subject, told in zip(subjects, outcomes, strict=False):
        assert sorted(told) == ["refused"] * (processes - 1) + ["used"]
        name = AccessRequest.objects.get(pk=subject["request"]).act["name"]
        assert ApiKey.objects.filter(name=name).count() == 1
        used = AuditEvent.objects.filter(type="request:use", details__request=subject["request"])
        assert used.count() == 1
    assert naive == ["used"] * processes
