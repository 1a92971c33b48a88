"""`.ci/venv`, which `make` runs first: create .venv from a requirements file, or say why it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_VENV_MODULE = f"""#!/bin/sh
case "$2" in *ensurepip*) exit 1;; esac
exec {sys.executable} "$@"
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with the script and an empty requirements file."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "venv", tmp_path / ".ci" / "venv")
    (tmp_path / "requirements.txt").touch()
    return tmp_path


def set_up(checkout: Path, python: str | Path = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / ".ci" / "venv", "requirements.txt"],
        env={"PATH": os.environ["PATH"], "PYTHON": str(python), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(checkout: Path, script: str) -> Path:
    python = checkout / "python"
    python.write_text(script)
    python.chmod(0o755)
    return python


def test_a_python_that_is_too_old_is_reported(checkout):
    python = fake_python(checkout, "#!/bin/sh\nexit 1\n")
    done = set_up(checkout, python)
    assert (done.returncode, done.stderr) == (1, f"PYTHON={python} is not Python 3.11 or newer.\n")


def test_without_the_venv_module_the_message_names_the_package_to_install(checkout):
    done = set_up(checkout, fake_python(checkout, NO_VENV_MODULE))
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interrupted_set_up_is_repeated_and_then_runs_only_if_the_requirements_change(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "unfinished").touch()
    (checkout / ".venv" / "half-written").touch()
    repaired = set_up(checkout)
    assert repaired.returncode == 0, repaired.stderr
    assert not (checkout / ".venv" / "half-written").exists()
    assert (checkout / ".venv" / "bin" / "python").exists()

    unchanged = set_up(checkout)
    assert (unchanged.returncode, unchanged.stderr) == (0, "")

    (checkout / "requirements.txt").write_text("no requirement at all\n")
    refused = set_up(checkout)
    assert refused.returncode == 1
    assert "Invalid requirement" in refused.stderr
    assert refused.stderr.endswith("could not be installed; pip's message is above.\n")
