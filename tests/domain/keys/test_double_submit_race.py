"""Real processes send the same request at the same time: one key, and one call to Cerby."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as portal
from django.test import override_settings
from django.utils import timezone

from keys import cerby
from keys.actions.keys.issue import issue_key
from keys.models import ApiKey, AuditEvent, User
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.lifecycle import State
from keys.validation.new_key import KeyRequest
from tests import cast as people
from tests.support.own_database import Address
from tests.support.racing import meet, race

PROCESSES, ROUNDS = 6, 5
TAB_KEY = (
    ec.derive_private_key(7, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)


def request_of(number: int, subject: dict[str, Any]) -> KeyRequest:
    return KeyRequest(
        id=uuid.UUID(subject["ids"][number]),
        name=subject["name"],
        purpose="To test with.",
        expires_at=timezone.now().replace(microsecond=0) + timedelta(days=1),
        scopes=("read:users",),
        tab_key=TAB_KEY,
    )


def the_portals_issue(number: int, subject: dict[str, Any]) -> str:
    with override_settings(**subject["settings"]):
        try:
            return str(issue_key(people.actor(User.objects.get(role=40)), request_of(number, subject)))
        except (Invalid, Conflict) as refusal:
            return type(refusal).__name__


def a_naive_issue(number: int, subject: dict[str, Any]) -> str:
    """Check whether the key exists, then call Cerby: issuing without recording the request first."""
    request, owner = request_of(number, subject), User.objects.get(role=40)
    with override_settings(**subject["settings"]):
        exists = AuditEvent.objects.filter(key_id=request.id).exists()
        meet()
        if exists:
            return "made already"
        try:
            cerby.connect().issue_key(
                name=request.name,
                scopes=request.scopes,
                expires_at=request.expires_at,
                owner_id=owner.cerby_id,
                external_id=request.id,
            )
        except CerbyError:
            return "refused"
        people.an_event(type="key:issue", key_id=request.id).save()
        return "made"


@pytest.fixture
def subjects(workspace, database: Address) -> list[dict[str, Any]]:
    """Return one request per round, the same in each process."""
    people.people_in_portal(workspace.ids)
    rounds = [[str(uuid.uuid4())] * PROCESSES for _ in range(ROUNDS)]
    return [{"ids": ids, "name": f"Round {n}", "settings": to_the_sandbox()} for n, ids in enumerate(rounds)]


def to_the_sandbox() -> dict[str, str]:
    return {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}


def posts(sandbox: Any) -> list[str]:
    """Return the external ids of the create requests that reached the sandbox."""
    return sorted(
        e["external_id"] for e in sandbox.journal() if e["method"] == "POST" and "api-keys" in e["path"]
    )


def test_a_request_sent_by_many_creates_one_key(database, subjects, sandbox):
    answers = race(database, f"{__name__}:the_portals_issue", subjects, processes=PROCESSES)

    ids = [subject["ids"][0] for subject in subjects]
    assert answers == [[one] * PROCESSES for one in ids]
    assert posts(sandbox) == sorted(ids)
    assert sorted(str(key.id) for key in ApiKey.objects.filter(state=State.READY)) == sorted(ids)
    assert AuditEvent.objects.filter(type="key:request").count() == ROUNDS


def test_a_name_requested_by_many_is_given_to_one(database, subjects, sandbox):
    for subject in subjects:
        subject["ids"] = [str(uuid.uuid4()) for _ in range(PROCESSES)]

    answers = race(database, f"{__name__}:the_portals_issue", subjects, processes=PROCESSES)

    for subject, told in zip(subjects, answers, strict=True):
        (winner,) = set(told) - {"Invalid"}
        assert sorted(told) == sorted([winner] + ["Invalid"] * (PROCESSES - 1))
        assert str(ApiKey.objects.get(name=subject["name"]).id) == winner
    assert len(posts(sandbox)) == ROUNDS


def test_every_process_calls_cerby_if_requests_are_not_recorded(database, subjects, sandbox):
    race(database, f"{__name__}:a_naive_issue", subjects[:1], processes=PROCESSES)
    assert posts(sandbox) == subjects[0]["ids"]
