"""Write the audit log as static files that tools for transparency logs can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.audit.tiles import write_tiles


class Command(BaseCommand):
    help = (
        "Write checkpoint, tiles and entries (C2SP, tlog-tiles) to a folder. Run it again to add new events."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *_: Any, folder: Path, **__: Any) -> None:
        checkpoint = write_tiles(folder)
        if checkpoint is None:
            raise CommandError("No checkpoint is signed yet, so there is nothing to write.")
        self.stdout.write(f"{folder} contains the {checkpoint.size:,} events of the newest checkpoint.")
