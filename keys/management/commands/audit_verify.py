"""Verify the audit log, in the database or in a bundle.

Exit status 1: it is damaged. Exit status 2: it cannot be read.
"""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from keys.audit.self_check import check
from keys.evidence.row_check import check_rows
from keys.tlog.checkpoint import vkeys
from keys.verifier.verify_bundle import CANNOT_READ, Report, bundle_at, known_keys, notes_of, verify

PARTLY = (
    "{} could be compared with the log only in part: the events about a fingerprint or a password are older "
    "than its digest in them."
)


class Command(BaseCommand):
    help = "Compare the whole audit log with its sealed tree, its signed checkpoints and its anchors."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bundle", type=Path, help="verify this bundle instead of the database")
        parser.add_argument(
            "--anchors", type=Path, action="append", default=[], help="a file of signed notes"
        )
        parser.add_argument(
            "--ratchet", type=Path, action="append", default=[], help="the output of audit_init"
        )

    def handle(
        self, *_: Any, bundle: Path | None, anchors: list[Path], ratchet: list[Path], **__: Any
    ) -> None:
        try:
            report = _report(self.stdout, bundle, anchors, [json.loads(path.read_text()) for path in ratchet])
        except CANNOT_READ as error:
            raise CommandError(f"This cannot be checked: {error}", returncode=2) from error
        self.stdout.write(str(report))
        if report.found:
            sys.exit(1)


def _report(
    stdout: OutputWrapper, bundle: Path | None, anchors: list[Path], escrows: list[dict[str, Any]]
) -> Report:
    if bundle is None:
        report = check(chain(*map(notes_of, anchors)), escrows)
        if uncompared := check_rows(report):
            stdout.write(PARTLY.format(f"{uncompared:,} row{'' if uncompared == 1 else 's'}"))
        return report
    record, _ = bundle_at(bundle, anchors)
    return verify(record, known_keys(vkeys()), escrows)
