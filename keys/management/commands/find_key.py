"""Is this ours? Look a suspicious text over for the organisation's keys, where there is no browser."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from getpass import getpass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from keys.actions.keys.find_leaked import find_leaked
from keys.rules import key_text
from keys.selectors.key.find import Answer, answers


class Command(BaseCommand):
    help = (
        "Say whose a key is that was found somewhere. It is asked for at the terminal and not shown, or found"
        " in a file or in what comes by standard input. Nothing of what was read is kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="a text file of 10 MB at most")

    @sensitive_variables()
    def handle(self, *_: Any, file: Path | None, **__: Any) -> None:
        found = answers(None, find_leaked(None, _read(file)))
        for answer in found:
            self.stdout.write(_said(answer))
        if not found:
            self.stdout.write(
                "Not in the inventory: nothing in this text is a key whose fingerprint the portal has. Keys "
                "that were only declared, or discovered in Cerby, have none: if in doubt, look at those too."
            )


@sensitive_variables()
def _read(file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        return getpass("The suspicious text, on one line; it is not shown: ")
    try:
        with file.open("rb") if file else sys.stdin.buffer as stream:
            content = stream.read(key_text.LARGEST_FILE + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > key_text.LARGEST_FILE:
        raise CommandError("This is larger than 10 MB. Cut it into several.")
    return key_text.decoded(content)


def _said(key: Answer) -> str:
    means = "It opens nothing any more" if key.is_harmless else "It may be in use by whoever has it"
    return (
        f"“{key.name}”. {means}.\n"
        f"  Owner:   {key.owner_name}, {key.owner_email}\n"
        f"  Status:  {key.status.label}{f' ({key.caveat})' if key.caveat else ''}\n"
        f"  Scopes:  {key.scopes}\n"
        f"  Expires: {key.expires}\n"
        f"  Page:    {settings.PORTAL_URL}{reverse('keys:key', args=[key.id])}\n"
        f"  Who may delete it: {key.who_may}"
    )
