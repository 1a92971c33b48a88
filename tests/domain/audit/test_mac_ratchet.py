"""The MAC ratchet: each key is derived from the previous one, never the reverse, whatever the clock does."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.tlog import mac_ratchet
from tests.support.racing import meet, race

LEAF = b"a leaf"


def next_key(key: bytes) -> bytes:
    """Compute HKDF-SHA256 by hand (RFC 5869): no salt, 32 bytes."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, b"cerby-key-portal audit mac next\x01", "sha256")


def kept(files: Path) -> dict[str, Any]:
    return json.loads((files / "ratchet.json").read_text())


def shift(files: Path, epochs: int) -> dict[str, Any]:
    """Make the file look as if it had been written ``epochs`` earlier, or later if negative."""
    before = kept(files)
    (files / "ratchet.json").write_text(json.dumps(before | {"epoch": before["epoch"] - epochs}))
    return kept(files)


def init() -> dict[str, Any]:
    printed = io.StringIO()
    call_command("audit_init", stdout=printed)
    return json.loads(printed.getvalue())


def test_every_key_is_derived_from_the_first_key(db, audit_files):
    escrow = init()
    first = bytes.fromhex(escrow["key"])
    assert escrow["chain"] == hashlib.sha256(first).hexdigest()[:8]
    made = mac_ratchet.mac(LEAF)
    assert (made.chain, made.epoch) == (escrow["chain"], escrow["epoch"] + 1)
    assert made.tag == hmac.digest(next_key(first), LEAF, "sha256")
    shift(audit_files, 3)
    later, key = mac_ratchet.mac(LEAF), first
    for _ in range(4):
        key = next_key(key)
    assert later.epoch == made.epoch  # only the file was moved
    assert later.tag == hmac.digest(key, LEAF, "sha256")


def test_the_first_key_is_printed_once(db, audit_files):
    init()
    with pytest.raises(CommandError, match="already"):
        init()


def test_the_first_event_starts_a_chain(db, audit_files):
    log.append(Event.SIGNED_OUT, actor=None)
    event = AuditEvent.objects.get()
    assert event.mac_chain == kept(audit_files)["chain"]
    assert event.mac_epoch == int(time.time()) // 900
    with pytest.raises(CommandError):
        init()


def test_a_key_is_deleted_after_half_an_hour(audit_files):
    mac_ratchet.mac(LEAF)
    early = kept(audit_files)
    made = mac_ratchet.mac(LEAF)
    shift(audit_files, 2)
    mac_ratchet.mac(LEAF)
    assert early["key"] not in "".join(path.read_text() for path in audit_files.iterdir())
    assert kept(audit_files)["epoch"] == made.epoch - 1
    shifted = mac_ratchet.Mac(made.tag, made.chain, made.epoch - 2)
    assert not mac_ratchet.is_wrong(LEAF, shifted)  # its key is deleted, so it cannot be checked
    assert not mac_ratchet.is_wrong(b"another leaf", shifted)


def test_a_forged_mac_is_recognised_while_its_key_exists(audit_files):
    made = mac_ratchet.mac(LEAF)
    assert not mac_ratchet.is_wrong(LEAF, made)
    assert mac_ratchet.is_wrong(b"another leaf", made)
    assert mac_ratchet.is_wrong(LEAF, mac_ratchet.Mac(made.tag, "00000000", made.epoch))
    assert mac_ratchet.is_wrong(LEAF, mac_ratchet.Mac(made.tag, made.chain, made.epoch + 2))
    shift(audit_files, 1)
    earlier = mac_ratchet.Mac(made.tag, made.chain, made.epoch - 1)
    assert not mac_ratchet.is_wrong(LEAF, earlier)
    assert mac_ratchet.is_wrong(b"another leaf", earlier)


def test_a_clock_that_is_set_back_changes_no_key(audit_files):
    before = mac_ratchet.mac(LEAF)
    ahead = shift(audit_files, -4)  # the clock was an hour ahead when this was written
    after = mac_ratchet.mac(LEAF)
    assert kept(audit_files) == ahead
    assert (after.tag, after.epoch) == (before.tag, before.epoch + 4)
    assert not mac_ratchet.is_wrong(LEAF, after)


def test_an_earlier_key_cannot_be_derived(audit_files):
    now = mac_ratchet.Ratchet.new(10)
    assert now.at(12).at(13) == now.at(13)
    with pytest.raises(ValueError, match="deleted"):
        now.at(12).at(11)


def advance(number: int, files: str) -> list[Any]:
    from django.test import override_settings

    with override_settings(PORTAL_AUDIT_DIR=Path(files)):
        made = mac_ratchet.mac(LEAF)
    return [made.tag.hex(), made.chain, made.epoch]


@pytest.mark.parametrize("begun", [True, False])
def test_concurrent_advances_agree(database, audit_files, begun):
    if begun:
        mac_ratchet.mac(LEAF)
        shift(audit_files, 5)
    (answers,) = race(database, f"{__name__}:advance", [str(audit_files)], processes=8)
    assert {tuple(answer) for answer in answers} == {tuple(answers[0])}
    made = mac_ratchet.mac(LEAF)
    assert answers[0] == [made.tag.hex(), made.chain, made.epoch]


def begin_naively(number: int, files: str) -> str:
    """Check for the file, then write it: ``init`` without its lock."""
    path = Path(files) / "ratchet.json"
    exists = path.exists()
    meet()
    if not exists:
        first = mac_ratchet.Ratchet.new(number)
        draft = path.with_suffix(f".{number}")  # written atomically: only the lock is missing
        draft.write_text(first.as_json())
        draft.replace(path)
        return first.chain
    return mac_ratchet.Ratchet.from_json(path.read_text()).chain


def test_concurrent_starts_without_the_lock_disagree(database, audit_files):
    audit_files.mkdir()
    (answers,) = race(database, f"{__name__}:begin_naively", [str(audit_files)], processes=8)
    assert len(set(answers)) == len(answers)


def test_the_action_fails_if_the_file_is_not_writable(db, audit_files, settings):
    audit_files.parent.mkdir(exist_ok=True)
    audit_files.write_text("not a folder")
    with pytest.raises(OSError, match="audit"):
        log.append(Event.SIGNED_OUT, actor=None)
    assert not AuditEvent.objects.exists()
