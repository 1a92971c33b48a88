"""Withdraw the portal access of a person who stays in the workspace."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from keys.actions.people.remove import remove_person
from keys.management.for_people import CommandForPeople
from keys.rules.errors import PortalError


class Command(CommandForPeople):
    help = "Withdraw the portal access of a person who stays in the workspace. add_person restores it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *_: Any, email: str, **__: Any) -> None:
        try:
            user = remove_person(email)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(f"{user.name} can no longer sign in. API keys that act as them still work.")
