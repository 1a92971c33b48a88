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
        link = password_link(user)
        self.stdout.write(f"{user.name} may sign in as {user.role_in_words}.")
        if mail:
            subject, text = mails.rendered("account/email/person_added", {"link": link, "user": user})
            send_mail(subject, text, None, [user.email])
            self.stdout.write(f"A link to set a password was sent to {user.email}.")
        else:
            self.stdout.write(f"Give them this link to set a password:\n{link}")
