"""Store lists of keys that people selected, and the progress of the bulk action on each list."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.models.user import User
from keys.rules.permissions import Actor


class Selection(models.Model):
    """A frozen list of keys, and the bulk action on it, of which there is at most one.

    ``query``: the query string of the inventory page on which the keys were selected. ``filter``: its filter
    in words. ``count``: the number of keys, 0 until the whole list is written. ``has_more``: more keys
    matched than a list can hold. ``asks``: what the person entered for the action. ``stopped_at``: when the
    action was told to stop, by the person or, with ``stop_reason``, by the portal. ``ip`` and ``browser``
    belong to the request that started it.
    """

    KEPT = timedelta(hours=24)

    class Act(models.TextChoices):
        DELETE = "delete", "Delete"
        ADOPT = "adopt", "Adopt"
        EDIT = "edit", "Edit"
        REMIND = "remind", "Remind"
        ROTATE = "rotate", "Start rotations"
        UNASK = "unask", "Withdraw rotation tasks"
        STOP = "stop", "Stop in an emergency"
        DRILL = "drill", "Drill"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="selections", db_index=False)
    made_at = models.DateTimeField()
    query = models.CharField(max_length=4000, blank=True)
    filter = models.CharField(max_length=1000, blank=True)
    count = models.PositiveIntegerField()
    has_more = models.BooleanField(default=False)
    act = models.CharField(max_length=10, blank=True, choices=Act.choices)
    asks = models.JSONField(default=dict)
    ip = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="selection_started_with_an_act",
                condition=Q(started_at__isnull=True, act="") | (Q(started_at__isnull=False) & ~Q(act="")),
            ),
            models.CheckConstraint(
                name="selection_ends_after_its_start",
                condition=Q(started_at__isnull=False) | Q(stopped_at__isnull=True, finished_at__isnull=True),
            ),
        )
        indexes = (
            models.Index("user", "made_at", name="selection_by_user"),
            models.Index("made_at", name="selection_by_age"),
            models.Index(
                "started_at",
                name="selection_running",
                condition=Q(started_at__isnull=False, finished_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.count} keys"

    def as_actor(self) -> Actor:
        """Return the person who started the action, with the address and browser of that moment."""
        return self.user.as_actor(ip=self.ip, browser=self.browser, part_of=str(self.pk))

    @property
    def is_running(self) -> bool:
        return self.started_at is not None and self.finished_at is None


EMERGENCY = frozenset({Selection.Act.STOP, Selection.Act.DRILL})
"""The acts of the page Emergency. They go on during a quarantine, as a deletion by a person does."""


class SelectedKey(models.Model):
    """A key of a frozen list, and what the bulk action did with it.

    ``seen``: a hash of each value of the key when it was selected. ``purpose``: what to record for this key
    alone. ``working_until``: when another worker may take over, if the one that works on the key has died.
    """

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting"
        WORKING = "working", "In progress"
        DONE = "done", "Done"
        BY_HAND = "by_hand", "To be deleted in Cerby"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    selection = models.ForeignKey(Selection, on_delete=models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    seen = models.JSONField(default=dict)
    purpose = models.CharField(max_length=500, blank=True)
    outcome = models.CharField(max_length=8, blank=True, choices=Outcome.choices)
    sentence = models.CharField(max_length=500, blank=True)
    working_until = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="selected_key_once", fields=["key", "selection"]),
            models.UniqueConstraint(
                name="selected_key_worked_on_once", fields=["key"], condition=Q(outcome="working")
            ),
            models.CheckConstraint(
                name="selected_key_outcome_is_known",
                condition=Q(outcome__in=["", "working", "done", "by_hand", "skipped", "failed"]),
            ),
            models.CheckConstraint(
                name="selected_key_works_until",
                condition=Q(outcome="working", working_until__isnull=False)
                | (~Q(outcome="working") & Q(working_until__isnull=True)),
            ),
        )
        indexes = (models.Index("selection", "outcome", "position", name="selected_key_by_outcome"),)

    def __str__(self) -> str:
        return f"{self.key_id}: {self.outcome or 'waiting'}"
