"""Write the record as a bundle, for somebody who does not take the portal's word for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from keys.audit.bundle import write_bundle


class Command(BaseCommand):
    help = "Write every event, what was signed, and what checks it, to one .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the .zip to write; one that is there is replaced")

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        draft = file.with_name(f".{file.name}.new")
        with draft.open("wb") as out:
            count = write_bundle(out, file.name)
        draft.replace(file)
        self.stdout.write(f"{file} holds {count:,} events. Check it with: python verify_bundle.py {file}")
