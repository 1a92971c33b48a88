"""Start the chain of MAC keys for audit events, and print its first key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.tlog import mac_ratchet


class Command(BaseCommand):
    help = (
        "Create the first MAC key of the audit log and print it, once. Let the auditors keep it, "
        "away from this machine: this key can verify every event, and could forge one."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        first = mac_ratchet.init()
        if first is None:
            raise CommandError(
                "A chain of keys exists already, and its first key is no longer on this machine. "
                "docs/audit.md explains how to start a new chain."
            )
        self.stdout.write(first.as_json())
