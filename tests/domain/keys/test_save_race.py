"""Save one key from two processes at the same moment, which makes one secret."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.conf import settings as portal
from django.test import override_settings

from keys import cerby
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.lifecycle import State
from tests.cast import MEMBERS, a_key, actor, email_of, people_in_portal
from tests.cerby.conftest import PLAIN, SCOPES
from tests.support.own_database import Address
from tests.support.published_cerby import Cerby, serving
from tests.support.racing import race

PROCESSES = 2


class Meeting(Cerby):
    """Answer a list of vaults only when both processes have asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(PROCESSES)

    def answer(self, method, target, key, body):
        if method == "GET" and target.startswith("/api/v1/vaults"):
            self.both.wait(20)
        return super().answer(method, target, key, body)


def the_portals_save(_: int, subject: dict[str, Any]) -> str:
    key = ApiKey.objects.select_related("owner").get(pk=subject["key"])
    with override_settings(**subject["settings"]):
        try:
            save_in_cerby(actor(key.owner), key.pk, secret=PLAIN, vault_id=uuid.UUID(subject["vault"]))
        except Conflict:
            return "refused"
    return "saved"


def a_naive_save(_: int, subject: dict[str, Any]) -> str:
    """Check that nobody has saved the key, and save it: without recording the start."""
    with override_settings(**subject["settings"]):
        if ApiKey.objects.get(pk=subject["key"]).state != State.CLAIMED:
            return "refused"
        client = cerby.connect()
        client.vaults()
        client.save_secret(title="Nightly", body=PLAIN, vault_id=uuid.UUID(subject["vault"]))
    ApiKey.objects.filter(pk=subject["key"]).update(state=State.HELD, due_at=None)
    return "saved"


@pytest.fixture
def meeting():
    with serving(Meeting()) as imitation:
        yield imitation


@pytest.fixture
def subject(meeting, database: Address) -> dict[str, Any]:
    ids = {name: meeting.add_user(email_of(name), f"workspace_{name}") for name in MEMBERS}
    owner = people_in_portal(ids).admin
    print_ = fingerprint.compute(PLAIN, peppers=portal.PORTAL_PEPPERS)
    key = a_key(
        owner,
        name="Nightly",
        state=State.CLAIMED,
        origin="pasted",
        cerby_id=None,
        stored_at=None,
        pepper_id=print_.pepper_id,
        fingerprint=print_.digest,
    )
    return {
        "key": str(key.pk),
        "vault": meeting.add_vault("Automation"),
        "settings": {
            "CERBY_BASE_URL": meeting.url,
            "CERBY_TOKEN": "",
            "CERBY_API_KEY": meeting.add_key(ids["owner"], *SCOPES),
            "CERBY_ISSUE_MODE": "assisted",
        },
    }


def test_two_processes_that_save_one_key_make_one_secret(meeting, database, subject):
    [told] = race(database, f"{__name__}:the_portals_save", [subject], processes=PROCESSES)
    assert sorted(told) == ["refused", "saved"]
    assert len(meeting.secrets) == 1


def test_the_same_race_makes_two_secrets_if_the_start_is_not_recorded(meeting, database, subject):
    [told] = race(database, f"{__name__}:a_naive_save", [subject], processes=PROCESSES)
    assert told == ["saved", "saved"]
    assert len(meeting.secrets) == 2
