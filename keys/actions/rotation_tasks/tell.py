"""Tell people of all their new rotation tasks with one mail, and channels with one message."""

from __future__ import annotations

from itertools import groupby

from django.conf import settings
from django.urls import reverse

from keys.actions.notifications.notify import queue_mail, tell_channels, without_muted
from keys.models import RotationTask, SelectedKey, Selection, User
from keys.rules import formatting
from keys.rules.notifications import How, Kind
from keys.rules.permissions import ADMINS
from keys.rules.visible import named

LISTED = 200
"""Keys in one mail. The inbox has the others."""


def tell_of_rotation_tasks(selection: Selection) -> None:
    """Queue the mails and the message for the tasks that the bulk action made. Call it in a transaction."""
    done = selection.items.filter(outcome=SelectedKey.Outcome.DONE).values("key")
    tasks = RotationTask.objects.filter(key__in=done, asked_by_id=selection.user_id)
    tasks = tasks.select_related("key", "assigned").order_by("assigned", "due_on", "key__name_order")
    made = [task for task in tasks if task.asked_at >= (selection.started_at or selection.made_at)]
    for person, theirs in groupby(made, key=lambda task: task.assigned):
        people = [person] if person else list(User.objects.filter(is_active=True, role__in=ADMINS))
        subject, text = _subject(), _text(selection.user, list(theirs), is_for_all=person is None)
        for one in without_muted(Kind.ROTATION_ASKED, people, How.INBOX, How.NOTHING):
            queue_mail([one.email], subject, text)
    if made:
        first, last = min(task.due_on for task in made), max(task.due_on for task in made)
        days = f"from {formatting.spoken_day(first)} to {formatting.spoken_day(last)}"
        tell_channels(
            Kind.ROTATION_ASKED,
            words=f"{selection.user.name} asks for {_number(made)}, {days}.",
            path=f"{reverse('keys:inventory')}?needs=rotation-asked",
        )


def _number(tasks: list[RotationTask]) -> str:
    return f"{len(tasks):,} rotations" if len(tasks) > 1 else "a rotation"


def _subject() -> str:
    return f"[{settings.CERBY_WORKSPACE}] {Kind.ROTATION_ASKED.subject}"


def _text(sender: User, tasks: list[RotationTask], *, is_for_all: bool) -> str:
    whom = "No person who answers for these API keys can sign in, so an admin is asked" if is_for_all else ""
    asked = f"{sender.name} ({sender.email}) asks you to rotate the following API keys, each by its day."
    lines = [
        f"By {formatting.spoken_day(task.due_on)}: “{named(task.key.name)}”\n"
        f"{settings.PORTAL_URL}{reverse('keys:rotate', args=[task.key_id])}"
        for task in tasks[:LISTED]
    ]
    rest = len(tasks) - LISTED
    more = f"And {rest:,} more." if rest > 0 else ""
    inbox = f"All of them wait for you: {settings.PORTAL_URL}{reverse('keys:inbox')}"
    return "\n\n".join(filter(None, (f"{whom}." if whom else "", asked, *lines, more, inbox))) + "\n"
