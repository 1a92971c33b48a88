"""Create a sealed, signed and anchored log with the product's own code, and tamper with it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import rfc8785
from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.test import override_settings
from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.rescope import rescope_key
from keys.actions.people import sign_in
from keys.actions.people.add import add_person
from keys.audit import anchors
from keys.audit.guard import authorize
from keys.audit.self_check import check
from keys.audit.signer import sign
from keys.evidence.row_check import check_rows
from keys.jobs.sealing import seal_all
from keys.models import ApiKey, AuditEvent, Checkpoint, Sealed, TreeHead, Unsealed, User
from keys.rules.errors import NotAllowed
from keys.rules.formatting import utc_microseconds
from keys.rules.permissions import Action
from keys.tlog import mac_ratchet
from keys.tlog.checkpoint import Signer, signer
from keys.tlog.merkle import leaf_hash
from keys.verifier.verify_bundle import Kind
from tests import cast as people
from tests.conftest import Workspace
from tests.domain.audit.test_merkle import naive
from tests.support import own_database
from tests.support.asking import a_request
from tests.support.own_database import Address

ME = uuid.UUID(int=1)
STORY = [
    "session:start", "key:request", "key:call", "key:issue", "key:reveal", "key:store",
    "key:start-rescope", "key:rescope", "attempt:refuse", "person:add", "person:change",
    "key:start-delete", "key:delete", "session:end",
]  # fmt: skip
SIGNED = (6, 11, 14)
"""The log's events by index, and the signed sizes. One more event is not sealed yet."""


@dataclass(frozen=True)
class Kept:
    """The places of a log: database, the portal's files, the anchor file, and the auditors' first MAC key."""

    folder: Path
    database: Address

    @property
    def anchors(self) -> Path:
        return self.folder / "anchors.jsonl"

    def escrow(self) -> dict[str, Any]:
        return json.loads((self.folder / "escrow.json").read_text())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Use this database and these files as the portal's in this thread."""
        elsewhere = override_settings(
            PORTAL_AUDIT_DIR=self.folder / "audit", PORTAL_AUDIT_ANCHOR_FILE=self.anchors
        )
        with own_database.using(self.database), elsewhere:
            yield


def write(kept: Kept, workspace: Workspace, url: str) -> None:
    """Run the whole life of one key, and other actions around it."""
    workspace.sandbox.restore(workspace.untouched)
    cerby = override_settings(
        CERBY_BASE_URL=url, CERBY_TOKEN=workspace.token, CERBY_API_KEY=workspace.api_key
    )
    with kept.in_use(), cerby:
        first = mac_ratchet.init()
        assert first is not None
        (kept.folder / "escrow.json").write_text(first.as_json())
        _live(workspace)
        # No event says that the cast was added, so it may not sign in any more.
        cast = User.objects.exclude(email="new@contenzilla.example")
        cast.update(added_at=None, is_active=False, password="!")
        # A test may use this record long after it was written.
        User.objects.update(role_checked_at=timezone.now() - timedelta(hours=1))


def _live(workspace: Workspace) -> None:
    cast = people.people_in_portal(workspace.ids)
    admin = people.actor(cast.admin)
    sign_in.record(cast.admin, ip="192.0.2.7", browser="Chrome on Linux")
    key_id = issue_key(admin, a_request())
    claim_key(admin, key_id, session="one")
    acknowledge_key(admin, key_id)
    seal_and_sign()
    rescope_key(admin, key_id, "read:teams", on=True)
    with suppress(NotAllowed):
        authorize(people.actor(cast.user), Action.DELETE_KEY, ApiKey.objects.get(pk=key_id))
    workspace.sandbox.add_person(
        email="new@contenzilla.example", first_name="Nora", last_name="New", role="workspace_user"
    )
    add_person("new@contenzilla.example")
    seal_and_sign()
    delete_key(admin, key_id)
    sign_in.record_end(admin)
    seal_and_sign()
    sign_in.record(cast.admin, ip="192.0.2.7", browser="Chrome on Linux")


def seal_and_sign() -> None:
    seal_all(ME)
    sign()
    if settings.PORTAL_AUDIT_ANCHOR_FILE:
        anchors.deliver(timezone.now())


GUARDS = """
    SELECT 'DROP TRIGGER ' || tgname || ' ON ' || tgrelid::regclass FROM pg_trigger
    WHERE NOT tgisinternal AND tgname ~ '^keys_(auditevent|unsealed|sealed|treenode|treehead|checkpoint)_no_'
    UNION ALL
    SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || conname FROM pg_constraint
    WHERE contype IN ('f', 'c') AND conrelid::regclass::text ~ '^keys_(auditevent|unsealed|sealed|treenode|checkpoint)$'
"""


def without_triggers() -> None:
    """Remove triggers, checks and references, as an attacking database administrator would do first."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute("SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE name GLOB 'keys_*_no_*'")
        else:
            cursor.execute(GUARDS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


def execute(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def found(kept: Kept, **how: Any) -> dict[Kind, int]:
    """Return the damage, except the missing guards: ``without_triggers`` has removed them."""
    report = check(escrows=[kept.escrow()], **how)
    check_rows(report)
    return {each.kind: each.index for each in report.damage if each.kind is not Kind.GUARDS}


def story() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("type", flat=True))


# ---- An attacker's operations


def event(index: int) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(pk=Sealed.objects.get(index=index).event_id)


def say(index: int, *, hash_too: bool = False, columns_too: bool = True, **fields: Any) -> None:
    """Change the event and keep its JSON canonical."""
    raw = rewritten(event(index).get(), **fields)
    names = {name: value for name, value in fields.items() if name in {"reason", "details"}}
    event(index).update(leaf=raw, **names if columns_too else {})
    if hash_too:
        Sealed.objects.filter(index=index).update(leaf_hash=leaf_hash(raw))


def rewritten(row: AuditEvent, **fields: Any) -> bytes:
    return rfc8785.dumps(json.loads(bytes(row.leaf)) | fields)


def cut_off(size: int) -> None:
    """Delete all events from this size on, their checkpoints and the queue."""
    Unsealed.objects.all().delete()
    last = Sealed.objects.get(index=size - 1).event_id
    Sealed.objects.filter(index__gte=size).delete()
    AuditEvent.objects.filter(pk__gt=last).delete()
    Checkpoint.objects.filter(size__gt=size).delete()


def copy_of(row: AuditEvent, **changes: Any) -> AuditEvent:
    row.pk, row.uid = None, uuid.uuid4()
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def number_anew() -> None:
    """Renumber without gaps, in two steps because the numbers are unique."""
    for start in (2_000_000, 0):
        for place, index in enumerate(list(Sealed.objects.order_by("index").values_list("index", flat=True))):
            Sealed.objects.filter(index=index).update(index=start + place)


def sign_all_again(key: Signer | None = None) -> None:
    """Rebuild the tree and sign all checkpoints again, as a person with the signing key can."""
    signer_ = key or signer()
    assert signer_ is not None
    hashes = [
        bytes(digest) for digest in Sealed.objects.order_by("index").values_list("leaf_hash", flat=True)
    ]
    for checkpoint in Checkpoint.objects.all():
        root = naive(hashes[: checkpoint.size])
        note = signer_.checkpoint(checkpoint.size, root, utc_microseconds(checkpoint.at))
        Checkpoint.objects.filter(pk=checkpoint.pk).update(root=root, note=note)
    TreeHead.objects.update(root=naive(hashes), size=len(hashes))
