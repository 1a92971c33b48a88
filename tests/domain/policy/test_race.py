"""Processes change the policy, or ask for the last key that it allows, at once: one succeeds.

A naive version beside each loses for certain: every process has read before one of them writes.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.actions.keys.record_request import record_request
from keys.actions.policy.propose import checked_preview, propose_policy
from keys.models import ApiKey, AuditEvent, PolicyVersion, User
from keys.rules.errors import Conflict, Invalid, OutsidePolicy
from keys.rules.lifecycle import State
from keys.rules.policy.written import write
from keys.validation.new_key import NO_TAB_KEY, KeyRequest
from tests import cast as people
from tests.cast import an_unsaved_key
from tests.support.policies import a_version, changed, enforced, everywhere, in_force
from tests.support.racing import meet, race

PROCESSES = 4


def admin() -> User:
    return User.objects.get(email=people.email_of("admin"))


def request_a_key(number: int, subject: dict[str, Any]) -> str:
    """Ask for the last key that the owner may have. The naive version counts without a lock."""
    name = f"{subject['way']} {number}"
    if subject["way"] == "naive":
        is_free = not ApiKey.objects.filter(name__startswith="naive").exists()
        meet()
        if is_free:
            an_unsaved_key(admin(), name=name, state=State.REQUESTED).save(force_insert=True)
        return "requested"
    expires_at = timezone.now() + timedelta(days=1)
    wanted = KeyRequest(uuid.uuid4(), name, "P", expires_at, ("read:users",), NO_TAB_KEY)
    try:
        record_request(people.actor(admin()), wanted)
    except OutsidePolicy:
        return "refused"
    return "requested"


def test_of_many_requests_for_the_last_key_one_succeeds(database, committed_cast):
    in_force(committed_cast.owner, enforced(KEYS=everywhere(1)))
    subjects = [{"way": way} for way in ("portal", "naive")]
    told, naive = race(database, f"{__name__}:request_a_key", subjects, processes=PROCESSES)
    assert sorted(told) == ["refused"] * (PROCESSES - 1) + ["requested"]
    assert ApiKey.objects.filter(name__startswith="portal").count() == 1
    assert naive == ["requested"] * PROCESSES
    assert ApiKey.objects.filter(name__startswith="naive").count() == PROCESSES


def propose(number: int, subject: dict[str, Any]) -> str:
    """Propose a policy. The naive version looks for another proposal without a lock, and starts at once."""
    owner = User.objects.get(email=people.email_of("owner"))
    policy = changed(BACKUP=everywhere(value=True))
    if subject["way"] == "naive":
        is_free = not PolicyVersion.objects.filter(reason="naive").exists()
        meet()
        if is_free:
            started = {"state": "active", "starts_at": timezone.now(), "needs_approval": False}
            a_version(owner, policy, number=100 + number, reason="naive", **started)
        return "saved"
    try:
        propose_policy(people.actor(owner), write(policy), reason="portal", seen=subject["seen"])
    except (Conflict, Invalid):  # invalid: it is in force by now, so nothing would change
        return "refused"
    return "saved"


def test_of_many_who_save_one_policy_one_succeeds(database, committed_cast):
    seen = checked_preview(write(changed(BACKUP=everywhere(value=True)))).digest
    subjects = [{"way": way, "seen": seen} for way in ("portal", "naive")]
    told, naive = race(database, f"{__name__}:propose", subjects, processes=PROCESSES)
    assert sorted(told) == ["refused"] * (PROCESSES - 1) + ["saved"]
    assert PolicyVersion.objects.filter(reason="portal").count() == 1
    assert AuditEvent.objects.filter(type="policy:activate").count() == 1
    assert naive == ["saved"] * PROCESSES
    assert PolicyVersion.objects.filter(reason="naive").count() == PROCESSES
