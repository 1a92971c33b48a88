"""Remove the second factors of a person who has lost them, and whom nobody in the portal can help."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from keys.actions.factors.reset import reset_factors
from keys.jobs import mails
from keys.management.for_people import CommandForPeople
from keys.models import User
from keys.rules.errors import PortalError


class Command(CommandForPeople):
    help = (
        "Remove the second factors of a person who has lost them, such as the only Owner. First make sure "
        "that it is really that person who asks."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="why, for the audit log and the person's mail")

    def handle(self, *_: Any, email: str, reason: str, **__: Any) -> None:
        known = User.objects.filter(email=email.lower()).first()
        try:
            user = reset_factors(None, known.pk if known else 0, reason=reason)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        said = {"user": user, "by": None, "reason": reason, "at": timezone.now()}
        mails.mail_notice.enqueue(user.pk, *mails.rendered("account/email/factors_reset", said))
        self.stdout.write(
            f"The second factors of {user.name} were removed, and their sessions have ended. They sign in "
            "with their password and add a new one."
        )
