"""Remind the people of the keys of a bulk action: one mail and one task for all keys of the same people."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse

from keys.actions.notifications.notify import mail_people, notify, tell_channels
from keys.models import Selection
from keys.rules.batches import batches
from keys.rules.notifications import Kind
from keys.rules.visible import named
from keys.selectors.bulk.reminders import Reminding, remindings

AT_ONCE = 100
"""The most mails in one transaction."""


def remind_people(selection: Selection) -> None:
    """Write the mails and the tasks to the outbox. Called again after a crash, write the missing ones."""
    for some in batches(list(remindings(selection)), AT_ONCE):
        with transaction.atomic():
            for reminding in some:
                _write(selection, reminding)


def tell_channels_of_reminders(selection: Selection) -> None:
    """Write one message about the whole action. Call it in the transaction that ends the action."""
    count = sum(len(reminding.keys) for reminding in remindings(selection))
    if count:
        tell_channels(
            Kind.KEY_REMINDED,
            words=f"{selection.user.name} reminds the people of {_number(count)}.",
            path=reverse("keys:inventory"),
        )


def _write(selection: Selection, reminding: Reminding) -> None:
    [first, *others] = reminding.keys
    what = f"{len(reminding.keys)} API keys" if others else f"“{named(first.name)}”"
    written = notify(
        Kind.KEY_REMINDED,
        words=f"{selection.user.name} asks you to look at {what}.",
        path=reverse("keys:mine") if others else reverse("keys:key", args=[first.pk]),
        to=reminding.people,
        key=None if others else first,
        once=f"reminded:{selection.pk}:{first.pk}",
        mail=False,
        channels=False,
    )
    if written is not None:
        mail_people(reminding.people, [Kind.KEY_REMINDED], reminding.subject, reminding.text)


def _number(count: int) -> str:
    return f"{count:,} API keys" if count > 1 else "an API key"
