"""Search a suspicious text for the organisation's keys on the command line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from getpass import getpass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from keys.actions.keys.find_leaked import Found, find_leaked
from keys.management.for_people import CommandForPeople
from keys.rules import key_text
from keys.rules.visible import visible
from keys.selectors.key.find import Answer, answers

UNPROVED = (
    "  The audit log does not confirm this: the row of this key was changed or added in the database, so\n"
    "  the text may be another key. Verify the audit log.\n"
)


class Command(CommandForPeople):
    help = (
        "Identify API keys in a suspicious text. The text comes from a file, from standard input or from a "
        "hidden prompt. None of it is stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="a text or an archive of at most 10 MB")

    @sensitive_variables()
    def handle(self, *_: Any, file: Path | None, **__: Any) -> None:
        found = _search(file)
        for answer in answers(None, found.keys, found.unproved):
            self.stdout.write(visible(_describe(answer)))
        for part in found.unread:
            self.stdout.write(f"Not searched: {part.name}. {part.why}")
        if found.more_unread:
            self.stdout.write(f"Not searched: {found.more_unread} more parts.")
        if found.unread:
            self.stdout.write(
                "A key in these parts may be in the inventory. Unpack or export them and search again."
            )
        elif not found.keys:
            self.stdout.write(
                "Not in the inventory: the text contains no key whose fingerprint the portal has. Keys that "
                "were declared, or discovered in Cerby, have no fingerprint. If in doubt, check them too."
            )


@sensitive_variables()
def _search(path: Path | None) -> Found:
    if path is None and sys.stdin.isatty():
        return find_leaked(None, text=getpass("Suspicious text, on one line (not shown): "))
    try:
        with path.open("rb") if path else sys.stdin.buffer as stream:
            content = stream.read(key_text.LARGEST_FILE + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > key_text.LARGEST_FILE:
        raise CommandError("The text is larger than 10 MB. Split it into several files.")
    file = BytesIO(content)
    file.name = path.name if path else "The text"
    return find_leaked(None, file=file)


def _describe(key: Answer) -> str:
    risk = "It no longer works" if key.is_harmless else "Anyone who has it can use it"
    return (
        f"“{key.name}”. {risk}.\n"
        f"{'' if key.is_proved else UNPROVED}"
        f"  Owner:   {key.owner_name}, {key.owner_email}\n"
        f"  Status:  {key.status.label}{f' ({key.caveat})' if key.caveat else ''}\n"
        f"  Scopes:  {key.scopes}\n"
        f"  Expires: {key.expires}\n"
        f"  Used:    {key.last_used}\n"
        f"  Page:    {settings.PORTAL_URL}{reverse('keys:key', args=[key.id])}\n"
        f"  Who may delete it: {key.who_may}"
    )
