"""List and read the files under version control, for tests of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*patterns: str) -> list[Path]:
    """Return the tracked files, and new files that aren't ignored, that match one of the git ``patterns``.

    Return all of them if there are no patterns.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return sorted({path for path in paths if path.is_file()})


def texts(*patterns: str) -> dict[str, str]:
    """Return the text of these files by their path in the project. Skip binary files."""
    found = {}
    for path in files(*patterns):
        data = path.read_bytes()
        if b"\0" not in data:
            found[str(path.relative_to(ROOT))] = data.decode()
    return found
