"""Helpers for tests of evidence packs: make one, open it, and verify it as an auditor does."""

from __future__ import annotations

import csv
import importlib
import io
import sys
import zipfile
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.utils import timezone

from keys.actions.audit.export_evidence import export_evidence
from keys.models import AuditEvent
from keys.tlog.checkpoint import vkeys
from keys.verifier import verify_bundle

HERE = Path(verify_bundle.__file__).parent
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)


def time_of(kind: str) -> datetime:
    return AuditEvent.objects.get(type=kind).at


def since_yesterday(**more: Any) -> bytes:
    now = timezone.now()
    return b"".join(export_evidence(None, now - A_DAY, now + A_DAY, **more))


def unpacked(pack: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(pack)) as packed:
        assert packed.testzip() is None
        packed.extractall(folder)
    return folder


def verify(pack: Path, *more: str | Path) -> tuple[int, list[str]]:
    """Run the verify_pack.py that the portal ships, with only the portal's public key."""
    return program("verify_pack").run([str(pack), "--vkey", vkeys()[0], *map(str, more)])


@cache
def program(name: str) -> Any:
    """Load the file as a stand-alone module, as if it were run in a folder with verify_bundle.py."""
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(HERE))


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
