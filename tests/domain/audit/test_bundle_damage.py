"""The stand-alone verifier finds, locates and names each damage to a bundle, and only that."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from keys.verifier.verify_bundle import Kind, Report, known_keys, verify
from tests.support import bundle_writer as writer
from tests.support.bundle_writer import ESCROW, K1, SIGNER, STRANGER, Bundle, a_good_one, changed, write_leaf
from tests.support.cases import in_one_test


def report_on(bundle: Bundle, *, escrow: bool = True) -> Report:
    return verify(bundle.files, known_keys([writer.vkey_of(SIGNER)]), [ESCROW] if escrow else [])


def found(bundle: Bundle, **how: Any) -> dict[Kind, int]:
    return {damage.kind: damage.index for damage in report_on(bundle, **how).damage}


def renumbered(bundle: Bundle) -> None:
    for index, line in enumerate(bundle.events):
        line["index"] = index


def signed_again(bundle: Bundle) -> None:
    """Sign all checkpoints again with the real key, so that they fit the changed events."""
    for line in bundle.files["checkpoints"]:
        size = min(line["size"], len(bundle.events))
        leaves = [event["leaf"].encode() for event in bundle.events[:size]]
        at, root = datetime.fromisoformat(line["at"]), writer.root_of(leaves)
        line |= {"size": size, "root": root.hex(), "note": writer.note(size, root, at)}


def test_a_valid_bundle_has_no_damage():
    report = report_on(a_good_one())
    assert report.damage == []
    assert (report.events, report.unsealed, report.erased, report.unchecked) == (12, 1, 0, 0)
    assert report.checkpoint is not None
    assert report.checkpoint.size == 12


Damage = Callable[[Bundle], object]
CASES: dict[str, tuple[Damage, dict[Kind, int]]] = {}


def case(**expected: int) -> Callable[[Damage], Damage]:
    """The kinds that must be found for this damage, each at this event, and no others."""

    def keep(damage: Damage) -> Damage:
        CASES[damage.__name__] = damage, {Kind[kind]: index for kind, index in expected.items()}
        return damage

    return keep


@case(HASH=5, COLUMNS=5, MAC=5, ROOT=4)
def the_leaf_alone(bundle):
    bundle.events[5]["leaf"] = bundle.events[5]["leaf"].replace('"reason":""', '"reason":"x"')


@case(HASH=5, MAC=5, ROOT=4)
def the_leaf_and_its_columns(bundle):
    changed(bundle.events[5], reason="x", sealed_again=False)


@case(MAC=5, ROOT=4)
def the_leaf_its_columns_and_its_hash(bundle):
    changed(bundle.events[5], reason="x")


@case(MAC=5, FORK=4)
def the_leaf_and_all_signed_again_with_the_real_key(bundle):
    changed(bundle.events[5], reason="x")
    signed_again(bundle)


@case(MISSING=0)
def the_first_deleted(bundle):
    del bundle.events[0]


@case(MISSING=6)
def two_deleted(bundle):
    del bundle.events[6:8]


@case(ROOT=4, TRUNCATED=11, ROLLED_BACK=11)
def one_deleted_and_the_rest_numbered_anew(bundle):
    del bundle.events[7]
    renumbered(bundle)


@case(TRUNCATED=11, ROLLED_BACK=11)
def the_last_deleted(bundle):
    del bundle.events[11]


@case(ROLLED_BACK=9)
def the_last_deleted_and_their_checkpoint(bundle):
    del bundle.events[9:], bundle.files["checkpoints"][2:]


@case(ROLLED_BACK=8)
def an_older_copy_restored(bundle):
    del bundle.events[8:], bundle.files["checkpoints"][2:], bundle.files["unsealed"][:]


@case(FORK=8)
def an_older_copy_restored_and_life_goes_on(bundle):
    del bundle.events[8:], bundle.files["checkpoints"][2:]
    for _ in range(5):
        bundle.add("session:end:done")
    bundle.sign()


@case(EMPTY=0)
def all_deleted(bundle):
    bundle.events.clear()


@case(EMPTY=0)
def all_deleted_and_all_checkpoints(bundle):
    bundle.events.clear()
    bundle.files["checkpoints"].clear()


@case(ROOT=8)
def two_swapped(bundle):
    bundle.events[10], bundle.events[11] = bundle.events[11], bundle.events[10]
    renumbered(bundle)


@case(MISSING=10, DUPLICATE=10)
def two_lines_swapped(bundle):
    bundle.events[10], bundle.events[11] = bundle.events[11], bundle.events[10]


@case(DUPLICATE=4)
def a_number_twice(bundle):
    bundle.events.insert(5, dict(bundle.events[4]))


@case(DUPLICATE=7, ROOT=4)
def an_event_twice(bundle):
    bundle.events.insert(7, dict(bundle.events[0]))
    renumbered(bundle)


@case(DUPLICATE=12)
def an_event_written_again_and_sealed_and_signed(bundle):
    bundle.seal({name: value for name, value in bundle.events[0].items() if name != "index"})
    bundle.sign()


@case(MAC=6, ROOT=4)
def one_put_in(bundle):
    line = bundle.line("session:start:done")
    line["mac"]["tag"] = "00" * 32
    bundle.events.insert(6, line)
    renumbered(bundle)


@case(MAC=6, ROOT=4)
def the_rest_rewritten(bundle):
    for line in bundle.events[6:]:
        changed(line, reason="x")


@case(SIGNATURE=4)
def a_checkpoint_of_another_key(bundle):
    bundle.files["checkpoints"][1]["note"] = a_note_of(bundle, 8, STRANGER)


@case(SIGNATURE=0, UNSIGNED=0)
def all_checkpoints_of_another_key(bundle):
    for line in bundle.files["checkpoints"]:
        line["note"] = a_note_of(bundle, line["size"], STRANGER)
    bundle.files["anchors"].clear()
    a_later_event_waits(bundle, 20)


@case(SIGNATURE=4)
def a_checkpoint_whose_signature_is_of_another_one(bundle):
    first, second, _ = bundle.files["checkpoints"]
    second["note"] = second["note"].partition("\n\n")[0] + "\n\n" + first["note"].partition("\n\n")[2]


@case(SIGNATURE=0)
def an_anchor_that_nobody_signed(bundle):
    bundle.files["anchors"][0]["note"] = "whatever"


@case(REPLAYED=12)
def an_old_checkpoint_as_the_newest(bundle):
    bundle.files["checkpoints"].append(dict(bundle.files["checkpoints"][0]))


@case(REPLAYED=4)
def an_old_note_in_a_newer_row(bundle):
    bundle.files["checkpoints"][1]["note"] = bundle.files["checkpoints"][0]["note"]


@case(REPLAYED=4)
def the_time_of_a_checkpoints_row(bundle):
    bundle.files["checkpoints"][1]["at"] = writer.written(writer.START)


@case(REPLAYED=4)
def the_root_in_a_checkpoints_row(bundle):
    bundle.files["checkpoints"][1]["root"] = "00" * 32


@case(UNSIGNED=7)
def a_checkpoint_removed_that_is_anchored(bundle):
    bundle.files["anchors"].append(bundle.files["checkpoints"].pop(1))


@case(UNSIGNED=0)
def all_checkpoints_removed(bundle):
    bundle.files["checkpoints"].clear()
    a_later_event_waits(bundle, 20)


@case(UNSEALED=13)
def an_event_that_is_kept_from_being_sealed(bundle):
    bundle.now += timedelta(minutes=20)
    bundle.add("session:end:done")
    bundle.sign()


@case(MAC=12)
def an_event_changed_before_it_is_sealed(bundle):
    [line] = bundle.files["unsealed"]
    changed(line, reason="x")


@case(MAC=3)
def the_mac_gone(bundle):
    bundle.events[3]["mac"]["tag"] = ""


@case(FORM=11)
def the_whole_mac_gone(bundle):
    bundle.events[11]["mac"] = None


@case(MAC=3)
def the_mac_of_a_chain_of_ones_own(bundle):
    bundle.events[3]["mac"]["chain"] = "00112233"


@case(MAC=3, TIME=3)
def the_mac_of_a_year_that_has_not_come(bundle):
    bundle.events[3]["mac"]["epoch"] = 2**52


@case(PERSONAL=2)
def a_name_alone(bundle):
    bundle.events[2]["columns"]["actor_name"] = "Bob"


@case(PERSONAL=6)
def a_personal_detail_alone(bundle):
    bundle.events[6]["personal"]["details.before.owner_email"] = "b@x.example"


@case(PERSONAL=6)
def a_personal_detail_that_was_none(bundle):
    bundle.events[6]["personal"]["details.after.owner_email"] = "b@x.example"


@case(PERSONAL=2)
def the_salt_alone(bundle):
    bundle.events[2]["salt"] = "00" * 16


@case(PERSONAL=2, ERASED=2)
def the_salt_gone_and_nothing_else(bundle):
    bundle.events[2]["salt"] = None


@case(ERASED=2)
def a_person_erased_in_silence(bundle):
    erase(bundle.events[2])


@case(TIME=4)
def time_goes_back(bundle):
    changed_time(bundle, 4, -timedelta(hours=1))


@case(TIME=12)
def an_event_from_before_the_checkpoint_that_it_is_not_in(bundle):
    bundle.now += timedelta(minutes=30)
    bundle.sign()
    del bundle.files["checkpoints"][2], bundle.files["unsealed"][:]
    bundle.now -= timedelta(minutes=10)
    bundle.add("session:end:done")


@case(TIME=11)
def an_event_from_after_the_checkpoint_that_signs_it(bundle):
    changed_time(bundle, 11, timedelta(minutes=10))
    bundle.files["unsealed"].clear()


@case(TIME=11)
def an_event_that_says_another_time_than_its_mac(bundle):
    line = bundle.events[11]
    leaf = json.loads(line["leaf"])
    write_leaf(line, leaf, epoch=line["mac"]["epoch"] + 1)


@case(LIFE=12)
def a_key_viewed_twice(bundle):
    bundle.add("key:reveal:done", key=K1)


@case(FORM=11, HASH=11, ROOT=8)
def bytes_that_are_not_canonical(bundle):
    bundle.events[11]["leaf"] = bundle.events[11]["leaf"].replace('":"', '": "', 1)


@case(FORM=11, HASH=11, ROOT=8)
def bytes_that_are_no_text(bundle):
    bundle.events[11]["leaf"] = b"\xff\xfe{}".decode("utf-8", "surrogateescape")


def a_note_of(bundle: Bundle, size: int, key: Any) -> str:
    leaves = [line["leaf"].encode() for line in bundle.events[:size]]
    return writer.note(size, writer.root_of(leaves), bundle.now, key)


def a_later_event_waits(bundle: Bundle, minutes: int) -> None:
    bundle.now += timedelta(minutes=minutes)
    bundle.files["unsealed"][:] = [bundle.line("session:start:done")]


def changed_time(bundle: Bundle, index: int, by: timedelta) -> None:
    """Write an event as a portal with a wrong clock: MAC, hash and signatures are valid."""
    line = bundle.events[index]
    leaf = json.loads(line["leaf"])
    at = datetime.fromisoformat(leaf["at"]) + by
    leaf["at"] = line["columns"]["at"] = writer.written(at)
    write_leaf(line, leaf, epoch=int(at.timestamp()) // 900)
    signed_again(bundle)
    bundle.files["anchors"].clear()


def erase(line: dict[str, Any]) -> None:
    line["columns"] |= dict.fromkeys(("actor_name", "actor_email", "ip", "browser"), "")
    line |= {"salt": None, "personal": {}}


@in_one_test("name", CASES)
def test_damage_is_found_located_and_named(name):
    damage, expected = CASES[name]
    bundle = a_good_one()
    damage(bundle)
    assert found(bundle) == expected


COLUMNS = a_good_one().events[4]["columns"]


@in_one_test("column", COLUMNS)
def test_a_changed_column_is_found(column):
    bundle = a_good_one()
    bundle.events[4]["columns"][column] = {"x": 1} if column == "details" else "something else"
    personal = column in {"actor_name", "actor_email", "ip", "browser"}
    assert found(bundle) == {Kind.PERSONAL if personal else Kind.COLUMNS: 4}
