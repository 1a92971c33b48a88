"""Ask for the rotation of many keys on the command line, as Start rotations does on the page API keys."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.http import QueryDict
from django.urls import reverse

from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.bulk.freeze import freeze_matching
from keys.actions.bulk.start import start_bulk
from keys.actions.bulk.stop import stop_bulk
from keys.management.for_people import CommandForPeople
from keys.management.identity import Identity, line
from keys.models import Selection
from keys.rules.errors import PortalError
from keys.rules.formatting import spoken_day
from keys.rules.permissions import Actor
from keys.selectors.bulk.selection import bulk_page

IDENTITY = Identity("manage.py start_rotations", "Nothing was started.", "start them on the page API keys")
SHOW_EVERY = 2.0  # seconds


class Command(CommandForPeople):
    help = (
        "Ask for the rotation of all keys that match a filter. Each key gets a task with a due day; the days "
        "are spread evenly over the working days of a period. It asks for the password of the person who "
        "asks, for their second factor if they have one, and for a confirmation. Ctrl-C stops it: the tasks "
        "so far stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="email", required=True, help="the email of the person who asks")
        parser.add_argument(
            "--filter",
            default="status=active",
            help="what stands after the ? in the address of the page API keys, such as team=Payments",
        )
        parser.add_argument("--from", dest="first", type=_day, required=True, help="such as 2027-01-11")
        parser.add_argument("--to", dest="last", type=_day, required=True, help="the last day")
        parser.add_argument(
            "--confirm", metavar="NUMBER", help="how many keys, if there is nobody to type it"
        )

    def handle(self, *_: Any, email: str, first: date, last: date, confirm: str | None, **more: Any) -> None:
        try:
            actor = IDENTITY.signed_in(email.lower())
            selection = freeze_matching(actor, QueryDict(more["filter"].lstrip("?")))
            self._require_confirmation(selection, first, last, confirm)
            period = (first, last)
            started = start_bulk(actor, selection.pk, Selection.Act.ROTATE, _nobody_else, period=period)
        except PortalError as error:
            raise CommandError(error.sentence) from error
        self._follow(actor, started)

    def _require_confirmation(
        self, selection: Selection, first: date, last: date, confirm: str | None
    ) -> None:
        if confirm is None:
            many = f"{selection.count:,} keys match{', and more' if selection.has_more else ''}"
            self.stdout.write(f"{many}. Days: {spoken_day(first)} to {spoken_day(last)}.")
            confirm = line("Type the number of keys to start their rotations: ")
        if confirm.strip().replace(",", "") != str(selection.count):
            raise CommandError("This is not the number of keys. Nothing was started.")

    def _follow(self, actor: Actor, selection: Selection) -> None:
        """Carry the action out, and show its progress. After Ctrl-C no further key is begun."""
        shown, interrupts = time.monotonic(), list[int]()

        def watch() -> None:
            nonlocal shown
            if interrupts:
                stop_bulk(actor, selection.pk)
            if time.monotonic() - shown >= SHOW_EVERY:
                shown = time.monotonic()
                self._show(actor, selection)

        former = signal.signal(signal.SIGINT, lambda number, _frame: interrupts.append(number))
        try:
            carry_out_bulk(selection.pk, watch)
        finally:
            signal.signal(signal.SIGINT, former)
        self._show(actor, selection)
        path = reverse("keys:bulk", args=[selection.pk])
        self.stdout.write(f"The list, for {actor.name}: {settings.PORTAL_URL}{path}")

    def _show(self, actor: Actor, selection: Selection) -> None:
        page = bulk_page(actor, selection.pk)
        tally = " ".join(f"{label}: {number:,}." for label, number in page.tally)
        self.stdout.write(f"{page.processed:,} of {page.selection.count:,} keys processed. {tally}")
        if page.waits or page.selection.stop_reason:
            self.stdout.write(page.waits or page.selection.stop_reason)


def _nobody_else(_selection_id: str) -> None:
    """Enqueue nothing: this command does the work. If it dies, the worker goes on with the list."""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no day such as 2027-01-11") from None
