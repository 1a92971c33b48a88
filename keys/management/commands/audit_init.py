"""Start the chain of MAC keys for audit events, and print its first key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from keys.audit import chain
from keys.tlog import mac_ratchet


class Command(BaseCommand):
    help = (
        "Create the first MAC key of the audit log and print it, once. Let the auditors keep it, "
        "away from this machine: this key can verify every event, and could forge one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--new-chain",
            action="store_true",
            help="start a new chain although the audit log has one, because no node has its key any more",
        )

    def handle(self, *_: Any, new_chain: bool, **__: Any) -> None:
        if not new_chain and not mac_ratchet.exists() and _is_begun():
            raise CommandError(
                "The audit log has a chain of keys already. A node gets its key from another node when it "
                "starts. If no other node has the key, use --new-chain."
            )
        first = chain.start_new() if new_chain else mac_ratchet.init()
        if first is None:
            raise CommandError(
                "A chain of keys exists already, and its first key is no longer on this machine. "
                "docs/audit.md explains how to start a new chain."
            )
        self.stdout.write(first.as_json())


def _is_begun() -> bool:
    """Return whether the database knows a chain; False before its tables exist."""
    try:
        return bool(chain.find_problem())
    except DatabaseError:
        return False
