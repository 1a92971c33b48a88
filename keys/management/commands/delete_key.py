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
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.factors.ask import grace_ends
from keys.actions.factors.use import use_code
from keys.actions.keys.delete import delete_key
from keys.actions.people import sign_in, throttle
from keys.management.for_people import CommandForPeople
from keys.models import ApiKey, User
from keys.models.factor import APP, METHODS, has_factor
from keys.rules.errors import PortalError
from keys.rules.events import Event
from keys.rules.factors import Required, must_have_factor
from keys.rules.lifecycle import State
from keys.rules.permissions import Actor, Role
from keys.rules.visible import visible
from keys.selectors.key.page import key_for

BROWSER = "manage.py delete_key"
"""Stands in the audit log instead of a browser."""


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
    if not _is_right(user, password):
        sign_in.record_failure(email, Event.IDENTITY_CONFIRMED, ip="", browser=BROWSER)
        raise CommandError("The email or the password is wrong. Nothing was deleted.")
    assert user is not None
    if reason := sign_in.why_refused(user):
        sign_in.record_refused(user, reason, ip="", browser=BROWSER)
        raise CommandError("This person may not sign in to the portal. Nothing was deleted.")
    actor = user.as_actor(browser=BROWSER)
    factor = _second_factor(user, actor)
    for method in filter(None, ("password", factor)):
        sign_in.record_confirmation(actor, method=method)
    return actor


@sensitive_variables()
def _is_right(user: User | None, password: str) -> bool:
    """Return whether the password is right. Wrong ones count together with those on the pages."""
    if user is None:
        return False
    attempt = throttle.admit_confirmation(user.pk)
    if attempt is None:
        raise CommandError("There were too many wrong passwords. Wait a minute. Nothing was deleted.")
    with attempt:
        is_right = user.check_password(password)
        if is_right:
            attempt.give_back()
    return is_right


@sensitive_variables()
def _second_factor(user: User, actor: Actor) -> str:
    """Ask for the second factor, as the page does. Return its name, or an empty string if there is none."""
    if not has_factor(user.pk):
        is_asked = must_have_factor(Required(settings.PORTAL_MFA_REQUIRED), Role(user.role))
        if is_asked and user.factor_asked_at and timezone.now() >= grace_ends(user.factor_asked_at):
            raise CommandError("This person must add a second factor first. Nothing was deleted.")
        return ""
    code = _line("Code of the authenticator app, or a recovery code: ")
    used = use_code(actor, code.strip(), recovery=True)
    if used is None:
        sign_in.record_failure(
            user.email, Event.IDENTITY_CONFIRMED, ip="", browser=BROWSER, method=METHODS[APP]
        )
        raise CommandError(
            "This code is wrong, or was used already. With a passkey alone, delete the key on its page. "
            "Nothing was deleted."
        )
    return METHODS[used.type]


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
