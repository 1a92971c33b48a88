"""The base of the commands that talk to a person on a terminal."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand


class CommandForPeople(BaseCommand):
    """A command that asks and answers in sentences, so the log's lines of JSON must not stand between them.

    If something fails, the command says so itself, and the audit log has what was done.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            return super().execute(*args, **options)
        finally:
            logging.disable(before)
