"""Leaves: canonical, limited in size, and without readable personal values."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any

import pytest
from django.db import transaction

from keys.audit import log
from keys.models import AuditEvent, User
from keys.rules.events import Event
from keys.tlog import leaf
from tests import cast as people
from tests.cast import said_by
from tests.support.cases import in_one_test

SALT = bytes(range(16))
SAID: dict[str, Any] = {
    "id": "5f0c1f6e-8a53-4f0e-9d6e-0d6c6f0e5a11",
    "at": "2026-11-23T18:22:01.123456Z",
    "type": "key:change:done",
    "actor": {
        "id": "7", "role": "Admin", "name": "Ada", "email": "ada@contenzilla.example", "ip": "", "browser": "Firefox",
    },
    "key": {"id": "f3f4c1d2-0000-4000-8000-000000000001", "name": "Löhne \u20ac"},
    "reason": "",
    "details": {"before": {"owner_email": "ada@contenzilla.example", "scopes": ["b", "a"]}, "count": 3},
}  # fmt: skip


def h(path: str, value: str) -> str:
    """Hash by hand, as docs/audit.md describes it."""
    return "h:" + hashlib.sha256(SALT + path.encode() + b"\0" + value.encode()).hexdigest()


def test_a_leaf_is_canonical_and_hashes_personal_values():
    name, email, browser = (
        h(f"actor.{part}", value)
        for part, value in (("name", "Ada"), ("email", "ada@contenzilla.example"), ("browser", "Firefox"))
    )
    owner = h("details.before.owner_email", "ada@contenzilla.example")
    assert leaf.make(SAID, SALT).raw.decode() == (
        f'{{"actor":{{"browser":"{browser}","email":"{email}","id":"7","ip":"","name":"{name}","role":"Admin"}},'
        '"at":"2026-11-23T18:22:01.123456Z",'
        f'"details":{{"before":{{"owner_email":"{owner}","scopes":["b","a"]}},"count":3}},'
        '"id":"5f0c1f6e-8a53-4f0e-9d6e-0d6c6f0e5a11",'
        '"key":{"id":"f3f4c1d2-0000-4000-8000-000000000001","name":"Löhne €"},'
        '"reason":"","type":"key:change:done","v":1}'
    )


def test_personal_values_are_readable_until_erased():
    made = leaf.make(SAID, SALT)
    assert made.personal == {"details.before.owner_email": "ada@contenzilla.example"}
    assert leaf.readable(made.details, made.personal) == SAID["details"]
    assert leaf.readable(made.details, {})["before"]["owner_email"] == "erased"


@in_one_test(
    "wrong",
    [
        {"count": 1.5},
        {"count": 2**53},
        {"when": object()},
        {"raw": b"bytes"},
        {"owner": ["a", "list"]},
        {"before": {"owner.email": "ada@contenzilla.example"}},
        {"before": {7: "seven"}},
        {"text": "\ud800"},
        {"text": "x" * 8192},
    ],
)
def test_unsupported_values_are_an_error(wrong):
    with pytest.raises(ValueError, match=r"cannot carry|domain|non-UTF-8|too large"):
        leaf.make(SAID | {"details": wrong}, SALT)


@in_one_test("wrong", [{"scopes": 0.5}, {"purpose": "x" * 9000}, {"colour": "blue"}])
def test_the_action_fails_if_its_event_fails(cast, wrong):
    def act() -> None:
        with transaction.atomic():
            User.objects.filter(pk=cast.admin.pk).update(name="Somebody else")
            log.append(Event.KEY_REQUESTED, actor=people.actor(cast.admin), **wrong)

    with pytest.raises(ValueError, match=r"carr|large"):
        act()
    assert User.objects.get(pk=cast.admin.pk).name == "Admin Person"
    assert not AuditEvent.objects.exists()


def test_columns_match_the_leaf(cast):
    key = people.a_key(cast.owner)
    log.append(
        Event.KEY_REVEALED, actor=people.actor(cast.admin), key=key, outcome=log.Outcome.REFUSED, reason="No."
    )
    event = AuditEvent.objects.get()
    said = json.loads(bytes(event.leaf))
    assert said["v"] == 1
    assert (said["id"], said["type"]) == (str(event.uid), "key:reveal:refused")
    assert said["at"] == event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert said["key"] == {"id": str(event.key_id), "name": event.key_name}
    assert (said["reason"], said["details"]) == (event.reason, event.details)
    columns = {"name": event.actor_name, "email": event.actor_email, "ip": event.ip, "browser": event.browser}
    assert said["actor"] == {"id": str(event.actor_id), "role": event.actor_role} | {
        name: leaf.hash_personal(bytes(event.salt), f"actor.{name}", value) for name, value in columns.items()
    }


def test_no_personal_value_is_readable_in_the_leaf(cast):
    log.append(
        Event.PERSON_CHANGED,
        actor=people.actor(cast.admin),
        email=cast.user.email,
        before={"full name": "Ada"},
    )
    event = AuditEvent.objects.get()
    for value in ("Ada", cast.user.email, cast.admin.email, cast.admin.name, "192.0.2.7", "Chrome"):
        assert value.encode() not in bytes(event.leaf)
    assert said_by(event) == {"email": cast.user.email, "before": {"full name": "Ada"}}


def test_appending_is_one_insert_and_one_look_at_it(db, django_assert_num_queries):
    for _ in range(2):  # the first one starts the MAC chain
        log.append(Event.SIGNED_OUT, actor=None)
    with django_assert_num_queries(2):
        log.append(Event.SIGNED_OUT, actor=None)
