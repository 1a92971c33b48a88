"""The stand-alone verifier as auditors run it, and its parts against published test vectors."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import subprocess
import sys
import tracemalloc
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import rfc8785

from keys.verifier import verify_bundle
from keys.verifier.verify_bundle import (
    LONG_AGO,
    RECENT_IDS,
    Kind,
    Tree,
    Verifier,
    known_keys,
    read_leaf,
    root_by_proof,
)
from tests.house.project import ROOT
from tests.support import bundle_writer as writer
from tests.support.bundle_writer import ESCROW, SIGNER, Bundle, a_good_one, changed
from tests.support.cases import in_one_test

SCRIPT = ROOT / "keys" / "verifier" / "verify_bundle.py"


# ---- Its parts, against published test vectors


def test_roots_match_certificate_transparencys_vectors():
    leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    tree = Tree()
    assert tree.root() == hashlib.sha256(b"").digest()
    for size, leaf in enumerate(leaves, 1):
        tree.add(bytes.fromhex(leaf))
        assert tree.root().hex() == roots.get(size, tree.root().hex())


def test_exactly_the_valid_proofs_of_small_trees_give_the_root():
    leaves = [bytes([number]) for number in range(20)]
    for size in range(1, 21):
        root = writer.root_of(leaves[:size])
        for index in range(size):
            path = writer.path_to(index, leaves[:size])
            assert root_by_proof(leaves[index], index, size, path) == root
            for wrong in (
                (index + 1, size, path),
                (index, size, [*path, root]),
                (index, size, path[1:] or [root]),
            ):
                with suppress(ValueError):
                    assert root_by_proof(leaves[index], *wrong) != root


def test_key_and_signature_match_other_implementations():
    """The example of golang.org/x/mod/sumdb/note. Only its key matters here."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    [(name, key_id)] = known_keys([vkey])
    assert (name, key_id.hex()) == ("PeterNeumann", "c74f20a3")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    raw = base64.b64decode(signature)
    assert raw[:4] == key_id
    known_keys([vkey])[name, key_id].verify(raw[4:], text.encode())


@in_one_test(
    "wrong", ["name+00000000+AQ==", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
)
def test_an_invalid_key_is_an_error(wrong):
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        known_keys([wrong])


LEAF = json.loads(a_good_one().events[0]["leaf"])


@in_one_test(
    "details", [{"\u20ac": 1, "\r": 2, "\ufb33": 3, "\U0001f600": 4, "\x80": 5, "ö": 6}, {"a": '\x0b\u2028"\\/\x7f\b'}, {"n": [-1, 0, 2**53 - 1, True, None]}]
)  # fmt: skip
def test_canonical_json_is_accepted(details):
    raw = rfc8785.dumps(LEAF | {"details": details})
    assert read_leaf(raw)["details"] == details


@in_one_test(
    "details",
    ['{"b":1,"a":2}', '{"a":1,"a":1}', '{"a":1.5}', '{"a":1e3}', '{"a":9007199254740992}', '{"a":-0}', '{"a":"\\u00e9"}', '{"a":"\\ud800"}', '{"a": 1}', '{"a":NaN}', '{"a":"\\/"}', "[" * 3000 + "]" * 3000, '{"email":"a@x.example"}', '{"x":{"owner":"h:00"}}'],
)  # fmt: skip
def test_other_json_is_refused(details):
    raw = rfc8785.dumps(LEAF | {"details": {}}).replace(b'"details":{}', f'"details":{details}'.encode())
    with pytest.raises((ValueError, RecursionError)):
        read_leaf(raw)


# ---- The whole program


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run the file isolated from the project, so that it cannot import the project's modules."""
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


@pytest.fixture
def files(tmp_path):
    """The files that an auditor has in addition to the bundle."""
    (tmp_path / "escrow.json").write_text(json.dumps(ESCROW))
    (tmp_path / "vkey").write_text(writer.vkey_of(SIGNER))
    return tmp_path


@in_one_test("name", ["bundle.zip", "bundle"])
def test_a_valid_bundle_exits_with_0(files, name):
    bundle = a_good_one().write(files / name)
    ran = run(bundle, "--vkey", files / "vkey", "--ratchet", files / "escrow.json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "The MAC of every event was checked.",
        "Sealed events: 12. The newest checkpoint signs 12 of them at 2026-11-23 12:00:42+00:00.",
        "Events that are not sealed yet: 1.",
        "Events with erased personal data: 0.",
        "No problems found.",
    ]


def test_damage_exits_with_1_and_a_sentence(files):
    bundle = a_good_one()
    changed(bundle.events[5], reason="x", sealed_again=False)
    ran = run(bundle.write(files / "bundle.zip"))
    assert ran.returncode == 1
    macs, root, *_ = ran.stdout.splitlines()
    assert macs.startswith("The MAC of all 13 events was not checked")
    assert root.startswith(f"ROOT at events 4 to 7. {Kind.ROOT.value}")
    assert f"HASH at event 5. {Kind.HASH.value}" in ran.stdout


@in_one_test("anchor", ["as the portal appends it", "behind what syslog writes", "a mail"])
def test_the_bundle_is_compared_with_the_auditors_anchor(files, anchor):
    bundle = a_good_one()
    line = bundle.files["anchors"].pop()
    notes = {
        "as the portal appends it": json.dumps(line),
        "behind what syslog writes": f"Nov 23 12:00:42 host key-portal[-]: {json.dumps(line)}",
        "a mail": line["note"],
    }
    (files / "anchor").write_text(notes[anchor])
    del bundle.events[8:], bundle.files["checkpoints"][2:]
    packed = bundle.write(files / "bundle.zip")
    assert run(packed).returncode == 0
    ran = run(packed, "--anchor", files / "anchor")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1].startswith("ROLLED_BACK at event 8. ")


@pytest.mark.parametrize("wrong", ["no such file", "no zip", "no events", "no JSON", "another key"])
def test_an_unreadable_bundle_exits_with_2_and_one_line(files, wrong):
    path = files / "bundle"
    if wrong == "no zip":
        path.write_text("x")
    elif wrong != "no such file":
        a_good_one().write(path)
    if wrong == "no events":
        (path / "events.jsonl").unlink()
    if wrong == "no JSON":
        (path / "events.jsonl").write_text("{]\n")
    ran = run(path, *(["--vkey", "x"] if wrong == "another key" else []))
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("This cannot be checked: ")


def a_proof(bundle: Bundle, index: int) -> str:
    leaves = [line["leaf"].encode() for line in bundle.events]
    head = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(leaves[index]).decode(), f"index {index}"]
    path = [base64.b64encode(each).decode() for each in writer.path_to(index, leaves)]
    return "\n".join([*head, *path]) + "\n\n" + bundle.files["checkpoints"][-1]["note"]


def test_a_proof_of_one_event_is_accepted(files):
    (files / "event.tlog-proof").write_text(a_proof(a_good_one(), 5))
    ran = run("--proof", files / "event.tlog-proof", "--vkey", files / "vkey")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert '"type":"key:store:done"' in ran.stdout
    assert ran.stdout.endswith(
        "This is event 5 of the 12 events that were signed at 2026-11-23 12:00:42+00:00.\n"
    )


def test_a_proof_of_a_changed_event_is_rejected(files):
    bundle = a_good_one()
    changed(bundle.events[5], reason="x")
    (files / "event.tlog-proof").write_text(a_proof(bundle, 5))
    ran = run("--proof", files / "event.tlog-proof", "--vkey", files / "vkey")
    assert ran.returncode == 1
    assert "This is NOT event 5" in ran.stdout


def test_it_needs_python_and_cryptography_and_nothing_else():
    modules = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else [])
    }  # fmt: skip
    assert modules <= sys.stdlib_module_names | {"cryptography"}
    assert {name for name in dir(verify_bundle) if "django" in name.lower()} == set()


def test_memory_for_ids_is_bounded():
    verifier = Verifier({}, [], LONG_AGO)
    for second in range(5 * RECENT_IDS):
        verifier.newest = LONG_AGO + timedelta(seconds=second)
        assert not verifier.duplicate_error(f"{second}", verifier.newest)
        assert len(verifier.ids) <= RECENT_IDS + 1
    assert verifier.duplicate_error(f"{second}", verifier.newest + timedelta(0, 1))


def test_memory_per_key_is_small():
    verifier = Verifier({}, [], LONG_AGO)
    keys = [str(uuid.uuid4()) for _ in range(2000)]
    tracemalloc.start()
    for key in keys:
        for event in ("key:request:done", "key:cancel:done"):
            assert not verifier.life_error({"key": {"id": key}, "type": event, "details": {}})
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / len(keys) < 150
