"""Erase the personal data of a person who has left."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from keys.actions.people.erase import erase_person
from keys.management.for_people import CommandForPeople
from keys.rules.errors import PortalError


class Command(CommandForPeople):
    help = "Erase a person who has left: name, email, IP addresses and browsers, also from the audit log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *_: Any, email: str, **__: Any) -> None:
        try:
            count = erase_person(None, email)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(f"Erased from {count:,} events. Backups still contain the erased data.")
