"""Begin the chain of keys that the audit events' MACs are made with, and hand its first key out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.tlog import mac_ratchet


class Command(BaseCommand):
    help = (
        "Make the first key of the audit log's MACs and print it, once. Keep what is printed with the "
        "auditors, away from this machine: with it they can check every event, and could write one."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        first = mac_ratchet.init()
        if first is None:
            raise CommandError(
                "There is a chain of keys already, and its first key is not on this machine any more. "
                "docs/audit.md says how to begin a new one."
            )
        self.stdout.write(first.as_json())
