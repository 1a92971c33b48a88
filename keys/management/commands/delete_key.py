"""Delete a key on the command line as a person of the portal, with the same checks as the page."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse

from keys.actions.keys.delete import delete_key
from keys.management.for_people import CommandForPeople
from keys.management.identity import Identity, line
from keys.models import ApiKey
from keys.rules.errors import PortalError
from keys.rules.lifecycle import State
from keys.rules.visible import visible
from keys.selectors.key.page import key_for

IDENTITY = Identity("manage.py delete_key", "Nothing was deleted.", "delete the key on its page")


class Command(CommandForPeople):
    help = (
        "Delete an API key. It asks for the password of the person who deletes it, for their second factor "
        "if they have one, and for a confirmation. Cerby must confirm the person's role, as on the page."
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
            actor = IDENTITY.signed_in(email.lower())
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
            confirm = line("Type the name of the key to delete it: ")
        if confirm.strip() not in {str(key), key.name.strip() or str(key)}:
            raise CommandError("This is not the name of the key. Nothing was deleted.")


def _key_id(text: str) -> UUID:
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise CommandError("This is not the id of a key. find_key prints the address of its page.") from None


def _describe(key: ApiKey) -> str:
    if key.state == State.REVOKING:
        page = f"{settings.PORTAL_URL}{reverse('keys:removal', args=[key.id])}"
        return f"“{key}” may still work. Delete it in Cerby's web app now, and confirm that here: {page}"
    if key.state == State.REVOKED and not key.is_deleted_by_hand:
        return f"“{key}” is removed. Cerby has confirmed that it no longer works."
    if key.state == State.REVOKED:
        return f"“{key}” is removed. A person has confirmed it."
    return f"“{key}” is no longer in use. Nothing is left to delete."
