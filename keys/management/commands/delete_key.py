"""Delete a key on the command line as a person of the portal, with the same checks as the page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from keys.actions.keys.delete import delete_key
from keys.actions.people import sign_in
from keys.management.for_people import CommandForPeople
from keys.models import ApiKey, User
from keys.rules.errors import PortalError
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.policy import Actor
from keys.rules.visible import visible
from keys.selectors.key.page import key_for

BROWSER = "manage.py delete_key"
"""Stands in the audit log instead of a browser."""


class Command(CommandForPeople):
    help = (
        "Delete an API key. It asks for the password of the person who deletes it and for a confirmation. "
        "Cerby must confirm the person's role, as on the page."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="the key's id, or the address of its page")
        parser.add_argument(
            "--as", dest="email", required=True, help="the email of the person who deletes it"
        )
        parser.add_argument("--confirm", metavar="NAME", help="the key's name, if there is nobody to type it")

    def handle(self, *_: Any, key: str, email: str, confirm: str | None, **__: Any) -> None:
        key_id = _key_id(key)
        try:
            actor = _signed_in(email.lower())
            found = key_for(actor, key_id)
            self._require_confirmation(found, confirm)
            deleted = delete_key(actor, key_id)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(_describe(deleted))

    def _require_confirmation(self, key: ApiKey, confirm: str | None) -> None:
        if confirm is None:
            self.stdout.write(
                visible(
                    f"“{key}” of {key.owner_name}, {key.owner_email}. Everything that uses it stops working."
                )
            )
            confirm = _line("Type the name of the key to delete it: ")
        if confirm.strip() not in {str(key), key.name.strip() or str(key)}:
            raise CommandError("This is not the name of the key. Nothing was deleted.")


def _key_id(text: str) -> UUID:
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise CommandError("This is not the id of a key. find_key prints the address of its page.") from None


@sensitive_variables()
def _signed_in(email: str) -> Actor:
    """Return the person if the password is right, and record that they proved who they are, or did not."""
    user = User.objects.filter(email=email).first()
    password = getpass(f"Password of {email} (not shown): ") if sys.stdin.isatty() else _line("")
    if user is None or not user.check_password(password):
        sign_in.record_failure(email, Event.IDENTITY_CONFIRMED, ip="", browser=BROWSER)
        raise CommandError("The email or the password is wrong. Nothing was deleted.")
    if reason := sign_in.why_refused(user):
        sign_in.record_refused(user, reason, ip="", browser=BROWSER)
        raise CommandError("This person may not sign in to the portal. Nothing was deleted.")
    actor = user.as_actor(browser=BROWSER)
    sign_in.record_confirmation(actor, method="password")
    return actor


def _line(prompt: str) -> str:
    if prompt:
        sys.stdout.write(prompt)
        sys.stdout.flush()
    return sys.stdin.readline().rstrip("\r\n")


def _describe(key: ApiKey) -> str:
    if key.state == State.REVOKING:
        page = f"{settings.PORTAL_URL}{reverse('keys:removal', args=[key.id])}"
        return f"“{key}” may still work. Delete it in Cerby's web app now, and confirm that here: {page}"
    if key.state == State.REVOKED and not key.is_deleted_by_hand:
        return f"“{key}” is removed. Cerby has confirmed that it no longer works."
    if key.state == State.REVOKED:
        return f"“{key}” is removed. A person has confirmed it."
    return f"“{key}” is no longer in use. Nothing is left to delete."
