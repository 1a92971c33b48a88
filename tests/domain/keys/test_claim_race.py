"""Real processes race for the one view of each key. Exactly one must get it."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.keys.claim import claim_key
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.errors import Gone
from keys.rules.lifecycle import State
from keys.rules.permissions import Role
from tests import cast
from tests.support.own_database import Address
from tests.support.racing import meet, race

PROCESSES, GRANTS = 12, 10

pytestmark = pytest.mark.long


def the_portals_claim(number: int, key_id: str) -> str | None:
    actor = cast.actor(User.objects.get())
    try:
        return claim_key(actor, uuid.UUID(key_id), session=f"session {number}").hex()
    except Gone:
        return None


def a_naive_claim(number: int, key_id: str) -> str | None:
    """Read, then delete: a claim without the conditional UPDATE."""
    grant = RevealGrant.objects.filter(pk=uuid.UUID(key_id)).first()
    meet()
    if grant is None:
        return None
    grant.delete()
    return bytes(grant.sealed).hex()


@pytest.fixture
def sealed(database: Address) -> dict[str, str]:
    """Return the sealed bytes of each key, in hexadecimal digits."""
    now = timezone.now()
    owner = User.objects.create(
        email="admin@contenzilla.example",
        name="Admin Person",
        cerby_id=uuid.uuid4(),
        role=Role.ADMIN,
        role_checked_at=now,
        added_at=now,
        is_active=True,
    )
    keys = ApiKey.objects.bulk_create(
        ApiKey(
            cerby_id=uuid.uuid4(),
            name=f"Key {number}",
            owner=owner,
            owner_name=owner.name,
            owner_email=owner.email,
            scopes=["read:users"],
            state=State.READY,
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        for number in range(GRANTS)
    )
    grants = RevealGrant.objects.bulk_create(
        RevealGrant(
            key=key,
            user=owner,
            sealed=os.urandom(120),
            thumbprint="thumbprint",
            expires_at=now + timedelta(minutes=15),
        )
        for key in keys
    )
    return {str(grant.key_id): grant.sealed.hex() for grant in grants}


def given_out(database: Address, runner: str, sealed: dict[str, str]) -> list[list[str]]:
    """Return everything that the processes got, by key."""
    answers = race(database, f"{__name__}:{runner}", list(sealed), processes=PROCESSES)
    return [[answer for answer in column if answer is not None] for column in answers]


def test_each_sealed_key_is_returned_exactly_once(database: Address, sealed: dict[str, str]) -> None:
    assert given_out(database, "the_portals_claim", sealed) == [[value] for value in sealed.values()]

    revealed = AuditEvent.objects.filter(type="key:reveal")
    assert revealed.filter(outcome="done").count() == GRANTS
    assert revealed.filter(outcome="refused").count() == GRANTS * (PROCESSES - 1)
    assert not RevealGrant.objects.filter(sealed__isnull=False).exists()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {State.CLAIMED}


def test_a_naive_claim_returns_a_sealed_key_to_everyone(database: Address, sealed: dict[str, str]) -> None:
    key, value = next(iter(sealed.items()))
    assert given_out(database, "a_naive_claim", {key: value}) == [[value] * PROCESSES]
