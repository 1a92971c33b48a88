"""Let a person of the workspace sign in, and create a link to set their password."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.mail import send_mail
from django.core.management.base import CommandError

from keys.actions.people.add import add_person
from keys.actions.people.password_link import password_link
from keys.jobs import mails
from keys.management.for_people import CommandForPeople
from keys.rules.errors import PortalError


class Command(CommandForPeople):
    help = "Let a person of the workspace sign in. Cerby determines their role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--mail", action="store_true", help="mail the link instead of printing it")

    def handle(self, *_: Any, email: str, mail: bool, **__: Any) -> None:
        try:
            user = add_person(email)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(f"{user.name} may sign in as {user.role_in_words}.")
        what = "A link to set a password" if user.may_use_password else "A mail that says how to sign in"
        if mail:
            send_mail(*mails.first_mail(user), None, [user.email])
            self.stdout.write(f"{what} was sent to {user.email}.")
        elif user.may_use_password:
            self.stdout.write(f"Give them this link to set a password:\n{password_link(user)}")
        else:
            self.stdout.write(f"Nobody sets a password here. Tell them: {mails.how_to_sign_in()}")
