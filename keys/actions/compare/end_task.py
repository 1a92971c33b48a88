"""End the task to compare the inventory with Cerby's web app."""

from __future__ import annotations

from keys.actions.notifications.settle import settle
from keys.models import Notification
from keys.rules.notifications import Kind

NAME = "comparison"
"""The name of the newest notification that asks for a comparison."""


def end_comparison_task() -> None:
    """Take the task out of the inboxes, and free its name for the next one.

    Call it in the transaction after which nothing waits for a comparison.
    """
    settle(Kind.COMPARISON_DUE, once=NAME)
    Notification.objects.filter(once=NAME).update(once=None)
