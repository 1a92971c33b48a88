"""Store notifications, the inboxes of people, and how people want to get them."""

from __future__ import annotations

import uuid

from django.db import models

from keys.models.api_key import ApiKey
from keys.models.request import AccessRequest
from keys.models.user import User
from keys.rules.notifications import Kind


class Notification(models.Model):
    """A message about ``key``, ``person`` or ``request``. Only keys.actions.notifications.notify writes it.

    ``words``: what happened, as a sentence. ``text``: further paragraphs. ``path``: the page with more.
    ``uid``: its id in webhooks. ``once``: a name that no other notification has, or None.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    kind = models.CharField(max_length=30)
    words = models.CharField(max_length=500)
    text = models.TextField(blank=True)
    path = models.CharField(max_length=300)
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="notifications")
    person = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="notifications")
    request = models.ForeignKey(
        AccessRequest, null=True, on_delete=models.CASCADE, related_name="notifications"
    )
    at = models.DateTimeField(db_index=True)
    once = models.CharField(max_length=140, null=True, unique=True)

    def __str__(self) -> str:
        return self.words

    @property
    def label(self) -> str:
        return Kind(self.kind).label


class InboxItem(models.Model):
    """A notification in a person's inbox. ``done_at``: when the task was done or the message was read."""

    class State(models.TextChoices):
        TASK = "task", "To do"
        MESSAGE = "message", "Unread"
        DONE = "done", "Done"

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="items")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="inbox", db_index=False)
    is_task = models.BooleanField()
    state = models.CharField(max_length=10, choices=State.choices)
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index("user", "id", name="inbox_by_user"),
            models.Index("user", "state", "id", name="inbox_by_state"),
        )

    def __str__(self) -> str:
        return f"{self.notification} for {self.user}"

    @property
    def may_finish(self) -> bool:
        """Return whether the person may mark it as done."""
        return self.done_at is not None or not Kind(self.notification.kind).ends_with_its_act


class NotificationChoice(models.Model):
    """How a person wants to get the notifications of one kind, if not in the portal and by mail."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="choices", db_index=False)
    kind = models.CharField(max_length=30)
    how = models.CharField(max_length=10)

    class Meta:
        unique_together = (("user", "kind"),)

    def __str__(self) -> str:
        return f"{self.kind}: {self.how}"


class CalendarFeed(models.Model):
    """The secret address of a person's calendar. ``token_hash``: SHA-256 of the secret part."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="feed")
    token_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Calendar of {self.user}"
