"""Checkpoints: signed notes of the tree head, never inconsistent with the last signed checkpoint."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.db.models import F
from django.utils import timezone

from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Checkpoint, Sealed, TreeHead
from keys.tlog.checkpoint import Signer, signer
from tests.support.sealed_log import add_events, without_triggers

ME = uuid.UUID(int=1)


def seal_and_sign(count: int) -> Checkpoint | None:
    add_events(count)
    seal_all(ME)
    return sign()


def test_a_note_matches_the_reference():
    """The example in the documentation of Go's golang.org/x/mod/sumdb/note."""
    private = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    peter = Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(private[1:]))
    assert peter.vkey == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    assert peter.note(text) == (
        f"{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )


def test_a_checkpoint_has_origin_size_root_time_and_signature(signed_here):
    checkpoint = seal_and_sign(3)
    text, _, signature = checkpoint.note.rpartition("\n\n")
    origin, size, root, at = text.split("\n")
    assert (origin, size) == ("testserver/audit", "3")
    assert base64.b64decode(root) == bytes(TreeHead.objects.get().root) == bytes(checkpoint.root)
    assert at == "at " + checkpoint.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    name, key_id, public = signer().vkey.split("+", 2)
    raw = base64.b64decode(public)
    assert key_id == hashlib.sha256(f"{name}\n".encode() + raw).hexdigest()[:8]
    dash, who, blob = signature.rstrip("\n").split(" ")
    assert (dash, who, base64.b64decode(blob)[:4].hex()) == ("—", origin, key_id)
    public_key = Ed25519PublicKey.from_public_bytes(raw[1:])
    public_key.verify(base64.b64decode(blob)[4:], f"{text}\n".encode())
    with pytest.raises(InvalidSignature):
        public_key.verify(base64.b64decode(blob)[4:], f"{text} \n".encode())


def test_nothing_is_signed_without_new_events(signed_here):
    assert sign() is None  # no events yet
    assert seal_and_sign(2).size == 2
    assert sign() is None
    assert seal_and_sign(1).size == 3
    assert list(Checkpoint.objects.order_by("id").values_list("size", flat=True)) == [2, 3]
    assert json.loads((signed_here / "signed.json").read_text()) == {
        "size": 3,
        "root": bytes(TreeHead.objects.get().root).hex(),
    }


def test_without_a_key_nothing_is_signed(signed_here, settings):
    settings.PORTAL_AUDIT_SIGNING_KEY = b""
    assert seal_and_sign(1) is None
    assert not Checkpoint.objects.exists()


def test_a_clock_that_was_set_back_makes_no_checkpoint_that_looks_older(signed_here):
    seal_and_sign(1)
    without_triggers()
    Checkpoint.objects.update(at=F("at") + timedelta(hours=1))
    ahead = Checkpoint.objects.get().at
    assert ahead > timezone.now()
    assert seal_and_sign(1).at == ahead


def yesterdays_tree(root: bytes) -> None:
    Sealed.objects.filter(index__gte=2).delete()
    TreeHead.objects.update(size=2, root=root)
    Checkpoint.objects.filter(size__gt=2).delete()


def another_leaf(_: bytes) -> None:
    Sealed.objects.filter(index=1).update(leaf_hash=bytes(32))
    TreeHead.objects.update(root=bytes(32))


def two_leaves_swapped(_: bytes) -> None:
    Sealed.objects.filter(index__in=[1, 2]).update(index=F("index") + 1000)
    Sealed.objects.filter(index__gt=1000).update(index=1003 - F("index"))


def a_leaf_missing(_: bytes) -> None:
    Sealed.objects.filter(index=1).delete()


def a_head_of_its_own(_: bytes) -> None:
    TreeHead.objects.update(root=bytes(32))


REWRITTEN = {
    yesterdays_tree: "events were deleted",
    another_leaf: "not the events that were signed",
    two_leaves_swapped: "not the events that were signed",
    a_leaf_missing: "damaged",
    a_head_of_its_own: "not the root in its head",
}


@pytest.fixture
def a_rewritten_log(signed_here: Path) -> Callable[[Callable[[bytes], None]], None]:
    """Return a function that signs five events in two checkpoints and then rewrites the log with ``how``."""

    def rewrite(how: Callable[[bytes], None]) -> None:
        seal_and_sign(2)
        earlier = bytes(TreeHead.objects.get().root)
        seal_and_sign(3)
        without_triggers()
        how(earlier)

    return rewrite


@pytest.mark.parametrize("how", REWRITTEN)
def test_an_inconsistent_tree_is_never_signed(a_rewritten_log, how):
    a_rewritten_log(how)
    before = Checkpoint.objects.count()
    if how in {another_leaf, two_leaves_swapped}:
        add_events(1)
        seal_all(ME)
    assert sign() is None
    assert Checkpoint.objects.count() == before
    assert REWRITTEN[how] in TreeHead.objects.get().refusal


def test_a_fork_larger_than_the_last_checkpoint_is_not_signed(a_rewritten_log):
    """An old backup was restored unnoticed and the portal went on."""
    a_rewritten_log(yesterdays_tree)
    assert seal_and_sign(4) is None
    assert "not the events that were signed" in TreeHead.objects.get().refusal


def test_size_and_root_are_stored_before_publication(signed_here):
    """If the process dies in between, no checkpoint is published that is missing in the file."""
    seal_and_sign(2)
    without_triggers()
    Checkpoint.objects.all().delete()
    assert sign().size == 2  # the same size and root again, which is consistent
    assert TreeHead.objects.get().refusal == ""


def test_the_last_checkpoint_replaces_a_lost_file(signed_here):
    seal_and_sign(2)
    (signed_here / "signed.json").unlink()
    assert seal_and_sign(1).size == 3
    (signed_here / "signed.json").unlink()
    without_triggers()
    Sealed.objects.filter(index=1).update(leaf_hash=bytes(32))
    assert sign() is None
    assert "not the events that were signed" in TreeHead.objects.get().refusal


def test_an_emptied_database_is_not_signed(signed_here):
    seal_and_sign(2)
    without_triggers()
    for model in (Checkpoint, Sealed, TreeHead, AuditEvent):
        model.objects.all().delete()
    assert sign() is None
    assert "events were deleted" in TreeHead.objects.get().refusal
    assert seal_and_sign(5) is None
    assert "not the events that were signed" in TreeHead.objects.get().refusal


def test_it_signs_again_after_a_repair(signed_here):
    seal_and_sign(1)
    kept = (signed_here / "signed.json").read_text()
    (signed_here / "signed.json").write_text(json.dumps({"size": 7, "root": "00" * 32}))
    assert seal_and_sign(1) is None
    (signed_here / "signed.json").write_text(kept)
    assert sign().size == 2
    assert TreeHead.objects.get().refusal == ""


def test_only_the_portals_user_can_read_the_files(signed_here: Path):
    seal_and_sign(1)
    assert {path.name for path in signed_here.iterdir()} >= {"signed.json", "ratchet.json"}
    for path in signed_here.glob("*.json"):
        assert path.stat().st_mode & 0o077 == 0
