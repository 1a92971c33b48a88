"""Start, end or show the quarantine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from keys.actions.safeguards.quarantine import Cause, end_quarantine, start_quarantine
from keys.management.for_people import CommandForPeople
from keys.models import HeldBack
from keys.rules.errors import PortalError
from keys.selectors.health.safeguards import active_quarantine


class Command(CommandForPeople):
    help = (
        "Start, end or show the quarantine. While it is on, the portal deletes no API key on its own. "
        "Start it after a restore."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["on", "off", "status"], default="status")
        parser.add_argument(
            "--reason", default="An operator started it.", help="the reason, for the audit log"
        )

    def handle(self, *_: Any, what: str, reason: str, **__: Any) -> None:
        if what == "on":
            start_quarantine(Cause.OPERATOR, reason)
        elif what == "off":
            try:
                held = end_quarantine(None)
            except PortalError as error:
                raise CommandError(error.sentence) from error
            self.stdout.write(f"The next comparison with Cerby may delete {held} keys that were held back.")
        self.stdout.write(_status())


def _status() -> str:
    quarantine = active_quarantine()
    if quarantine is None:
        return "The quarantine is off."
    held = HeldBack.objects.filter(approved_at__isnull=True).count()
    return (
        f"The quarantine has been on since {quarantine.since:%Y-%m-%d %H:%M:%S} UTC: {quarantine.reason} "
        f"{held} keys are held back."
    )
