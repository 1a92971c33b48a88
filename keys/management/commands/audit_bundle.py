"""Write the audit log as a bundle that outsiders can verify without trusting the portal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from keys.audit.bundle import write_bundle


class Command(BaseCommand):
    help = "Write all events, checkpoints and the verifier to one .zip file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the .zip file to write; an existing one is replaced")

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        draft = file.with_name(f".{file.name}.new")
        with draft.open("wb") as out:
            count = write_bundle(out, file.name)
        draft.replace(file)
        self.stdout.write(f"Wrote {count:,} events to {file}. Verify it with: python verify_bundle.py {file}")
