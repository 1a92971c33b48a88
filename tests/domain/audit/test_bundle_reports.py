"""Reports of the stand-alone verifier about bundles without damage, or with damage below a limit."""

from __future__ import annotations

from datetime import timedelta

from keys.verifier.verify_bundle import Kind, known_keys, verify
from tests.domain.audit.test_bundle_damage import erase, found, report_on
from tests.support import bundle_writer as writer
from tests.support.bundle_writer import ESCROW, SIGNER, a_good_one, changed


def test_unchecked_macs_are_counted_without_the_first_key():
    report = report_on(a_good_one(), escrow=False)
    assert (report.damage, report.unchecked) == ([], 13)


def test_an_anchor_newer_than_the_bundle_is_not_damage():
    bundle = a_good_one()
    bundle.files["anchors"].append(bundle.files["checkpoints"].pop())
    assert found(bundle) == {}


def test_an_erasure_is_not_damage():
    bundle = a_good_one()
    for line in bundle.events[:5]:
        erase(line)
    bundle.add("person:erase:done", person="7", events=5)
    bundle.sign()
    report = report_on(bundle)
    assert (report.damage, report.erased) == ([], 5)


def test_a_forged_event_is_located_exactly_only_with_the_first_mac_key():
    bundle = a_good_one()
    changed(bundle.events[5], reason="x")
    assert found(bundle) == {Kind.MAC: 5, Kind.ROOT: 4}
    [damage] = report_on(bundle, escrow=False).damage
    assert (damage.kind, damage.index, damage.last, damage.times) == (Kind.ROOT, 4, 7, 2)
    assert str(damage).startswith("ROOT at events 4 to 7. ")


def test_an_unsealed_event_is_damage_only_after_15_minutes():
    bundle = a_good_one()
    for minutes, expected in ((14, {}), (16, {Kind.UNSEALED: 12})):
        now = bundle.now + timedelta(minutes=minutes)
        report = verify(bundle.files, known_keys([writer.vkey_of(SIGNER)]), [ESCROW], now)
        assert {damage.kind: damage.index for damage in report.damage} == expected
