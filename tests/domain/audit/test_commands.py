"""The commands that verify and export the log."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from keys.verifier.verify_bundle import Kind
from tests.support.signed_record import say, without_triggers


@pytest.fixture
def verify(kept):
    """Run ``manage.py audit_verify`` and return the exit status and the output."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        out = StringIO()
        try:
            call_command("audit_verify", *map(str, arguments), stdout=out)
        except CommandError as error:
            return error.returncode, str(error)
        except SystemExit as stop:
            return int(str(stop.code)), out.getvalue()
        return 0, out.getvalue()

    return run


def test_the_command_reports_an_intact_log(kept, verify):
    code, said = verify("--ratchet", kept.folder / "escrow.json")
    assert code == 0
    assert said.splitlines()[0] == "The MAC of every event was checked."
    assert said.splitlines()[1].startswith("Sealed events: 14. The newest checkpoint signs 14 of them at ")
    assert said.splitlines()[-1] == "No problems found."


def test_the_command_names_the_first_bad_event_and_the_kind(kept, verify):
    without_triggers()
    say(8, reason="Nobody tried.")
    code, said = verify("--anchors", kept.anchors)
    assert code == 1
    assert f"\nROOT at events 6 to 10. {Kind.ROOT.value}" in said
    assert f"HASH at event 8. {Kind.HASH.value}" in said
    assert said.endswith("DAMAGED\n")


def test_the_command_distinguishes_unreadable_files_from_damage(kept, verify):
    code, said = verify("--bundle", kept.folder / "no-such-file.zip")
    assert (code, said.partition(":")[0]) == (2, "This cannot be checked")


def test_the_command_and_the_included_file_verify_a_bundle(kept, verify, tmp_path):
    bundle = kept.folder / "record.zip"
    call_command("audit_bundle", bundle, stdout=StringIO())
    assert verify("--bundle", bundle, "--ratchet", kept.folder / "escrow.json")[0] == 0
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(tmp_path / "unpacked")
    ran = subprocess.run(
        [sys.executable, "-I", tmp_path / "unpacked" / "verify_bundle.py", bundle, "--ratchet", kept.folder / "escrow.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Sealed events: 14." in ran.stdout
    assert "Events that are not sealed yet: 1." in ran.stdout
    readme = (tmp_path / "unpacked" / "README.txt").read_text()
    assert {f"{path.name}" for path in (tmp_path / "unpacked").iterdir()} >= {
        name for name in readme.split() if name.endswith(".jsonl")
    }
