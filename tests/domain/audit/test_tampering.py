"""Any tampering by a person with full access to the database is found, located and named."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from keys.audit import log
from keys.models import ApiKey, AuditEvent, Checkpoint, Sealed, TreeHead, TreeNode, Unsealed
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.tlog import mac_ratchet
from keys.tlog.checkpoint import Signer
from keys.tlog.merkle import TILE, leaf_hash
from keys.verifier.verify_bundle import Kind
from tests.support import signed_record
from tests.support.signed_record import (
    STORY,
    Kept,
    copy_of,
    cut_off,
    event,
    execute,
    found,
    number_anew,
    rewritten,
    say,
    sign_all_again,
    without_triggers,
)


@contextmanager
def clock_ahead(*, minutes: float) -> Iterator[None]:
    """Set the machine's clock wrong, for Django and for the MAC epochs."""
    now, seconds = timezone.now() + timedelta(minutes=minutes), time.time() + minutes * 60
    with (
        mock.patch("django.utils.timezone.now", return_value=now),
        mock.patch("time.time", return_value=seconds),
    ):
        yield


def many_more_events() -> None:
    """Enough events that the tree stores nodes."""
    for _ in range(2 * TILE):
        log.append(Event.SIGNED_OUT, actor=None)
    signed_record.seal_and_sign()


def test_an_untouched_log_has_no_damage(kept):
    assert signed_record.story() == [*STORY, "session:start"]
    assert signed_record.found(kept) == {}


Tampering = Callable[[Kept], object]
CASES: dict[str, tuple[Tampering, dict[Kind, int]]] = {}


def case(**expected: int) -> Callable[[Tampering], Tampering]:
    """The kinds that must be found, each at this event, and no others."""

    def keep(tampering: Tampering) -> Tampering:
        CASES[tampering.__name__] = tampering, {Kind[kind]: index for kind, index in expected.items()}
        return tampering

    return keep


@case(HASH=8, MAC=8, ROOT=6)
def a_leaf_and_its_columns(kept):
    say(8, reason="Nobody tried.")


@case(HASH=8, COLUMNS=8, MAC=8, ROOT=6)
def a_leaf_alone(kept):
    say(8, columns_too=False, reason="Nobody tried.")


@case(MAC=8, ROOT=6)
def a_leaf_and_its_hash(kept):
    say(8, hash_too=True, reason="Nobody tried.")


@case(HASH=8)
def a_hash_alone(kept):
    Sealed.objects.filter(index=8).update(leaf_hash=b"h" * 32)


@case(MISSING=0)
def the_first_event_deleted(kept):
    event(0).delete()


@case(MISSING=8)
def one_deleted(kept):
    row = event(8).get()
    Sealed.objects.filter(index=8).delete()
    row.delete()


@case(TRUNCATED=13, ROLLED_BACK=13)
def the_last_deleted(kept):
    event(13).delete()


@case(ROOT=6, TRUNCATED=13, ROLLED_BACK=13)
def one_deleted_and_the_others_numbered_anew(kept):
    event(8).delete()
    Sealed.objects.filter(index=8).delete()
    number_anew()


@case(ROOT=11)
def two_swapped(kept):
    Sealed.objects.filter(index=12).update(index=1_000_000)
    number_anew()


@case(MAC=9, ROOT=6)
def one_put_in(kept):
    invented = copy_of(event(0).get(), leaf=rewritten(event(0).get(), id=str(uuid.uuid4())))
    Sealed.objects.filter(index__gte=9).update(index=F("index") + 1_000_001)
    Sealed.objects.create(index=9, event=invented, leaf_hash=leaf_hash(bytes(invented.leaf)))
    number_anew()


@case(MAC=8, ROOT=6)
def everything_from_some_event_on_rewritten(kept):
    for index in range(8, 14):
        say(index, hash_too=True, reason="Nothing happened.")


@case(ROLLED_BACK=9)
def the_end_cut_off_with_what_signs_it(kept):
    cut_off(9)


@case(ROLLED_BACK=9)
def the_end_cut_off_where_this_machine_alone_remembers_it(kept):
    cut_off(9)
    kept.anchors.unlink()


@case(EMPTY=0)
def everything_deleted_where_this_machine_alone_remembers_it(kept):
    every_table_of_the_record_emptied(kept)
    kept.anchors.unlink()


@case(MAC=8, FORK=0)
def rewritten_and_signed_elsewhere_where_this_machine_alone_remembers_it(kept):
    rewritten_and_signed_with_the_real_key(kept)
    kept.anchors.unlink()


@case(EMPTY=0)
def the_table_dropped(kept):
    execute("DROP TABLE keys_auditevent" + (" CASCADE" if connection.vendor == "postgresql" else ""))


@case(EMPTY=0)
def every_table_of_the_record_emptied(kept):
    for model in (Unsealed, Sealed, TreeNode, Checkpoint, AuditEvent):
        model.objects.all().delete()


@case(ROLLED_BACK=6)
def yesterdays_backup_restored(kept):
    cut_off(6)
    TreeHead.objects.update(size=6, root=bytes(Checkpoint.objects.get(size=6).root))


@case(FORK=6)
def yesterdays_backup_restored_and_used(kept):
    cut_off(6)
    TreeHead.objects.update(size=6, root=bytes(Checkpoint.objects.get(size=6).root))
    (kept.folder / "audit" / "signed.json").unlink()
    with override_settings(PORTAL_AUDIT_ANCHOR_FILE=None):
        for _ in range(6):
            for verb in (Event.VERIFICATION_STARTED, Event.SIGNED_OUT):
                log.append(verb, actor=None)
        signed_record.seal_and_sign()


@case(MAC=8, FORK=6)
def rewritten_and_signed_with_the_real_key(kept):
    say(8, hash_too=True, reason="Nobody tried.")
    sign_all_again()


@case(SIGNATURE=0)
def signed_by_another_key(kept):
    sign_all_again(Signer("testserver/audit", Ed25519PrivateKey.from_private_bytes(b"x" * 32)))


@case(REPLAYED=14)
def an_old_checkpoint_put_in_as_the_newest(kept):
    old = Checkpoint.objects.get(size=6)
    Checkpoint.objects.create(size=20, root=old.root, at=old.at, note=old.note)


@case(TRUNCATED=6, ROLLED_BACK=6)
def events_cut_off_and_their_checkpoints_kept(kept):
    checkpoints = list(Checkpoint.objects.all())
    cut_off(6)
    Checkpoint.objects.bulk_create(checkpoints[1:])


@case(COLUMNS=4)
def who_it_was_in_the_columns_alone(kept):
    event(4).update(actor_id=99)


@case(PERSONAL=4)
def a_name_alone(kept):
    event(4).update(actor_name="Somebody else")


@case(PERSONAL=9)
def personal_details_alone(kept):
    event(9).update(personal={"details.email": "somebody@else.example"})


@case(PERSONAL=4)
def a_salt_alone(kept):
    event(4).update(salt=b"s" * 16)


@case(PERSONAL=4, ERASED=4)
def a_salt_erased_alone(kept):
    event(4).update(salt=None)


@case(ERASED=4)
def a_person_erased_in_silence(kept):
    event(4).update(actor_name="", actor_email="", ip="", browser="", personal={}, salt=None)


@case(MAC=14)
def an_event_changed_before_it_is_sealed(kept):
    waiting = AuditEvent.objects.get(sealed=None)
    AuditEvent.objects.filter(pk=waiting.pk).update(
        leaf=rewritten(waiting, reason="Nobody."), reason="Nobody."
    )


@case(MAC=14, FORGED=14)
def an_event_changed_before_it_was_sealed(kept):
    an_event_changed_before_it_is_sealed(kept)
    signed_record.seal_and_sign()


@case(MAC=4)
def a_mac_taken_off(kept):
    event(4).update(mac=bytes(32))


@case(MAC=4)
def a_mac_of_a_chain_of_ones_own(kept):
    row = event(4).get()
    other = mac_ratchet.Ratchet("00112233", row.mac_epoch, b"k" * 32).mac(bytes(row.leaf))
    event(4).update(mac=other.tag, mac_chain=other.chain)


@case(UNSEALED=15)
def an_event_hidden_from_the_sealing(kept):
    Unsealed.objects.all().delete()
    with clock_ahead(minutes=20):
        log.append(Event.SIGNED_OUT, actor=None)
        signed_record.seal_and_sign()


@case(UNSIGNED=0)
def every_checkpoint_removed(kept):
    Checkpoint.objects.all().delete()


@case(UNSIGNED=10)
def a_checkpoint_removed_that_is_anchored(kept):
    Checkpoint.objects.filter(size=11).delete()


@case(REPLAYED=6)
def the_root_in_a_checkpoints_row(kept):
    Checkpoint.objects.filter(size=11).update(root=b"r" * 32)


@case(TREE=0)
def the_root_in_the_trees_head(kept):
    TreeHead.objects.update(root=b"r" * 32)


@case(TREE=256)
def a_hash_within_the_tree(kept):
    many_more_events()
    TreeNode.objects.filter(level=1, index=1).update(hash=b"n" * 32)


@case(TREE=0)
def a_hash_within_the_tree_deleted(kept):
    many_more_events()
    TreeNode.objects.filter(level=1, index=0).delete()


@case(TREE=0)
def the_table_of_hashes_dropped(kept):
    execute("DROP TABLE keys_treenode")


@case(UNSIGNED=0, UNSEALED=14)
def every_checkpoint_removed_and_no_anchor_kept(kept):
    Checkpoint.objects.all().delete()
    kept.anchors.unlink()
    with clock_ahead(minutes=20):
        log.append(Event.SIGNED_OUT, actor=None)


@case(TIME=15)
def a_clock_set_back(kept):
    with clock_ahead(minutes=-60):
        log.append(Event.SIGNED_OUT, actor=None)
        signed_record.seal_and_sign()


@case(MAC=4, ROOT=0, TIME=4)
def a_time_rewritten(kept):
    row = event(4).get()
    earlier = row.at - timedelta(hours=1)
    say(4, hash_too=True, at=utc_microseconds(earlier))
    event(4).update(at=earlier)


@case(LIFE=14)
def a_key_viewed_again_by_the_portal_itself(kept):
    key = ApiKey.objects.get()
    Unsealed.objects.all().delete()
    AuditEvent.objects.filter(sealed=None).delete()
    log.append(Event.KEY_REVEALED, actor=None, key=key)
    signed_record.seal_and_sign()


@case(HASH=8, FORM=8, ROOT=6)
def bytes_that_are_not_canonical(kept):
    event(8).update(leaf=bytes(event(8).get().leaf).replace(b'":', b'": ', 1))


@pytest.mark.parametrize("name", CASES)
def test_tampering_is_found_located_and_named(kept, name):
    tamper, expected = CASES[name]
    without_triggers()
    tamper(kept)
    assert found(kept) == expected


def test_the_database_is_compared_with_the_auditors_anchor(kept):
    without_triggers()
    notes = [json.loads(line) for line in kept.anchors.read_text().splitlines()]
    kept.anchors.unlink()
    (kept.folder / "audit" / "signed.json").unlink()
    cut_off(6)
    assert found(kept).keys() == {Kind.ROWS}, "the newest changes of rows have no event any more"
    assert found(kept, anchors=notes) == {Kind.ROLLED_BACK: 6}
