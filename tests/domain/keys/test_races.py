"""Run two actions at the same time in real processes, each beside a naive version that loses the race."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.conf import settings as portal
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.test import override_settings
from django.utils import timezone

from keys import cerby
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.reconcile import reconcile, reconcile_due
from keys.actions.keys.rescope import rescope_key
from keys.actions.keys.revoke import start_revoking
from keys.actions.sync.sweep import sweep
from keys.audit import log
from keys.cerby.client import CerbyClient
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.errors import Conflict, PortalError
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.permissions import Actor
from sandbox import Sandbox
from tests import cast as people
from tests.cast import a_live_key, with_a_life
from tests.support.asking import a_request
from tests.support.background import asked, story_of
from tests.support.racing import meet, race

KEYS, SOME = 12, 3
Subject = dict[str, Any]
"""A task for one process: the version, ``naive`` or ``portal``, its keys, and the settings."""


def both_ways(keys: Sequence[Any], **settings: str) -> list[Subject]:
    """Run the naive version with half of ``keys``, then the portal's version with the others."""
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    halves = {"naive": keys[::2], "portal": keys[1::2]}
    return [
        {"way": way, "keys": [str(key) for key in half], "settings": to_cerby | settings}
        for way, half in halves.items()
    ]


NO_CREDENTIAL = {"CERBY_TOKEN": "", "CERBY_API_KEY": ""}
"""Replace the call to Cerby, so that no process waits for it."""


def me() -> Actor:
    return people.actor(User.objects.get(email=people.email_of("admin")))


def ready_keys(sandbox: Sandbox, owner: User) -> list[uuid.UUID]:
    """Create keys that are due and still have their one view."""
    made = [a_live_key(sandbox, owner, state=State.READY, stored_at=None)[0] for _ in range(2 * KEYS)]
    ApiKey.objects.update(due_at=timezone.now())
    later = timezone.now() + timedelta(minutes=15)
    RevealGrant.objects.bulk_create(
        RevealGrant(key=key, user=owner, sealed=b"sealed", thumbprint="t", expires_at=later) for key in made
    )
    return [key.pk for key in made]


def wait_for(some: QuerySet[Any]) -> None:
    """Wait until the other process is in the middle of its work, so that earlier reads are stale."""
    while some.count() < SOME:
        time.sleep(0.001)


def viewed(subject: Subject) -> list[str]:
    """Return the keys that were viewed. Works from the last key to the first, towards the other process."""
    seen = []
    for key in reversed(subject["keys"]):
        with suppress(PortalError):
            claim_key(me(), uuid.UUID(key), session="tab")
            seen.append(key)
    return seen


def told_by_both(*told: Any, **how: Any) -> list[list[str]]:
    """Combine the results of all processes by subject."""
    return [[key for keys in said for key in keys] for said in race(*told, **how)]


def removed_and_viewed(seen: list[str]) -> dict[str, list[str]]:
    """Return the outcome for the keys of ``seen`` whose deletion had started."""
    stories = {key: story_of(ApiKey.objects.get(pk=key)) for key in seen}
    return {key: story for key, story in stories.items() if "key:start-delete" in story}


# A view and its timer


def claim_or_time_out(number: int, subject: Subject) -> list[str]:
    with override_settings(**subject["settings"]):
        if number == 0:
            return viewed(subject)
        keys = ApiKey.objects.filter(pk__in=subject["keys"])
        due = list(keys.select_related("owner").order_by("created_at"))
        wait_for(keys.filter(state=State.CLAIMED))
        for key in due:
            if subject["way"] == "portal":
                reconcile(key)
            else:
                with suppress(Conflict):  # the keys that were READY when they were read
                    start_revoking(key, None, reason="Nobody viewed the key within 15 minutes.")
    return []


def test_a_timer_never_revokes_a_key_that_was_just_viewed(database, committed_cast, sandbox):
    ways = both_ways(ready_keys(sandbox, committed_cast.admin), **NO_CREDENTIAL)
    naively, seen = told_by_both(database, f"{__name__}:claim_or_time_out", ways, processes=2)
    assert removed_and_viewed(naively)
    assert not removed_and_viewed(seen)
    assert set(ApiKey.objects.filter(pk__in=seen).values_list("state", flat=True)) <= {State.CLAIMED}
    assert not RevealGrant.objects.filter(sealed__isnull=False).exists()


# A view and a deletion


def claim_or_delete(number: int, subject: Subject) -> list[str]:
    with override_settings(**subject["settings"]):
        if number == 0:
            return viewed(subject) if subject["way"] == "portal" else naively_viewed(subject)
        for key in subject["keys"]:
            with suppress(PortalError):
                delete_key(me(), uuid.UUID(key))
    return []


def naively_viewed(subject: Subject) -> list[str]:
    """Check only the grants, then return their sealed bytes."""
    seen = []
    grants = list(RevealGrant.objects.filter(pk__in=subject["keys"]).select_related("key"))
    wait_for(ApiKey.objects.filter(pk__in=subject["keys"], state=State.REVOKING))
    for grant in grants:
        with transaction.atomic():
            log.append(Event.KEY_REVEALED, actor=me(), key=grant.key, thumbprint="t")
            RevealGrant.objects.filter(pk=grant.pk).update(
                state="claimed", sealed=None, claimed_at=timezone.now()
            )
        seen.append(str(grant.pk))
    return seen


def test_a_key_whose_deletion_has_started_cannot_be_viewed(database, committed_cast, sandbox):
    ways = both_ways(ready_keys(sandbox, committed_cast.admin), **NO_CREDENTIAL)
    naively, seen = told_by_both(database, f"{__name__}:claim_or_delete", ways, processes=2)

    def too_late(keys: list[str]) -> list[str]:
        stories = removed_and_viewed(keys).items()
        return [key for key, story in stories if story.index("key:start-delete") < story.index("key:reveal")]

    assert too_late(naively)
    assert not too_late(seen)
    assert not RevealGrant.objects.filter(sealed__isnull=False).exists()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {State.REVOKING}
    assert AuditEvent.objects.filter(type="key:start-delete").count() == 2 * KEYS


# Two reconcilers


def reconcile_in_race(number: int, subject: Subject) -> int:
    with override_settings(**subject["settings"]):
        for key in ApiKey.objects.filter(pk__in=subject["keys"]) if number == 0 else ():
            with_a_life(key)
        meet()
        if subject["way"] == "portal":
            return reconcile_due()
        due = list(ApiKey.objects.filter(pk__in=subject["keys"]).select_related("owner"))
        meet()
        for key in due:
            reconcile(key)
        return len(due)


def test_of_two_reconcilers_one_claims_a_key(database, committed_cast, sandbox):
    keys = [a_live_key(sandbox, committed_cast.admin)[0] for _ in range(KEYS)]
    ApiKey.objects.update(state=State.REVOKING, due_at=timezone.now())
    cerby_ids = [str(key.cerby_id) for key in keys]
    race(database, f"{__name__}:reconcile_in_race", both_ways([key.pk for key in keys]), processes=2)
    assert set(ApiKey.objects.values_list("state", flat=True)) == {State.REVOKED}

    def deletions(cerby_ids: list[str]) -> int:
        return sum(one["path"].endswith(tuple(cerby_ids)) for one in asked(sandbox, "DELETE"))

    assert deletions(cerby_ids[::2]) == KEYS
    assert deletions(cerby_ids[1::2]) == KEYS // 2


# A sweep and a key in creation


def issue_or_sweep(number: int, subject: Subject) -> None:
    with override_settings(**subject["settings"]):
        for key in subject["keys"]:
            if number == 0:
                with suppress(PortalError), during_a_sweep():
                    issue_key(me(), a_request(id=uuid.UUID(key), name=f"Key {key}"))
            elif subject["way"] == "portal":
                sweep()  # while the request is recorded and sent
                meet()
                sweep()
                meet()
            else:
                meet()
                a_naive_sweep()
                meet()


@contextmanager
def during_a_sweep() -> Iterator[None]:
    """Let the other process sweep after Cerby has created the key and before the portal has stored the answer."""
    issue = CerbyClient.issue_key

    def answered_late(client: CerbyClient, **asked: Any) -> cerby.IssuedKey:
        answer = issue(client, **asked)
        meet()
        meet()
        return answer

    with patch.object(CerbyClient, "issue_key", answered_late):
        yield


def a_naive_sweep() -> None:
    """Match keys only by Cerby's id, which a row lacks during the call."""
    known = set(ApiKey.objects.values_list("cerby_id", flat=True))
    for upstream in list(cerby.connect().keys()):
        if upstream.id not in known:
            owner = User.objects.get(cerby_id=upstream.owner_id)
            facts = {"cerby_id": upstream.id, "name": f"Discovered {upstream.name}", "origin": "discovered"}
            with suppress(IntegrityError):
                people.a_key(owner, state=State.HELD, **facts)


def test_a_sweep_does_not_discover_a_key_in_creation(database, committed_cast, sandbox):
    ways = both_ways([uuid.uuid4() for _ in range(2 * SOME)])
    race(database, f"{__name__}:issue_or_sweep", ways, processes=2)
    naively, made = (ApiKey.objects.filter(pk__in=subject["keys"]) for subject in ways)
    assert not naively.filter(state=State.READY).exists()
    assert set(made.values_list("state", flat=True)) == {State.READY}
    assert not made.filter(missing_since__isnull=False).exists()
    names = [f"Key {key}" for key in ways[1]["keys"]]
    assert not ApiKey.objects.filter(name__in=names, origin="discovered").exists()


# A deletion and a change of scopes


def delete_or_rescope(number: int, subject: Subject) -> None:
    with override_settings(**subject["settings"]):
        for key in subject["keys"]:
            with suppress(PortalError):
                if subject["way"] == "naive":
                    naively_delete_or_rescope(number, key)
                elif number == 0:
                    delete_key(me(), uuid.UUID(key))
                else:
                    rescope_key(me(), uuid.UUID(key), "read:items", on=True)


def naively_delete_or_rescope(number: int, key_id: str) -> None:
    """Read the row, call Cerby, and write the row back after the other process has deleted the key."""
    if number == 0:
        meet()
        delete_key(me(), uuid.UUID(key_id))
        meet()
        return
    key = ApiKey.objects.get(pk=key_id)
    key.scopes = list(cerby.connect().rescope_key(key.cerby_id, ["read:users", "read:items"]).scopes)
    meet()
    meet()
    key.save()


def test_a_change_of_scopes_does_not_restore_a_deleted_key(database, committed_cast, sandbox):
    keys = [a_live_key(sandbox, committed_cast.admin)[0].pk for _ in range(2 * KEYS)]
    naive, *others = [subject | {"keys": [key]} for subject in both_ways(keys) for key in subject["keys"]]
    one_by_one = [naive, *(subject for subject in others if subject["way"] == "portal")]
    race(database, f"{__name__}:delete_or_rescope", one_by_one, processes=2)

    back = ApiKey.objects.exclude(state=State.REVOKED)
    assert back.filter(pk=keys[0]).exists()
    assert not back.filter(pk__in=keys[1::2]).exists()
    there = {key["id"]: key for key in sandbox.api_keys()}
    for key in ApiKey.objects.filter(pk__in=keys[1::2]):
        upstream = there[str(key.cerby_id)]
        assert upstream["status"] == "removed"
        assert set(key.scopes) == set(upstream["scopes"].split())
