"""Store rotations: which key replaces which, and how far that has come."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.models.user import User
from keys.rules.lifecycle import State
from keys.rules.rotation import OPEN, Because, RotationState, Sight

IS_OPEN = Q(state__in=[state.value for state in OPEN])


class Rotation(models.Model):
    """A rotation: ``new`` replaces ``old`` (keys.rules.rotation).

    ``overlap``: how many seconds both keys shall work. It begins when the new key is stored; until then,
    ``overlap_until`` is an estimate. It is never later than the expiry of the old key. ``quiet_after``: how
    many seconds the old key must be unused to count as quiet. ``stored_at``, ``used_at``, ``quiet_at`` and
    ``returned_at``: when the new key was stored, since when it is in use, when the old key counted as quiet,
    and when it was used after that, which takes the rotation back to the overlap. ``proof``: that at the
    end, else empty.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    old = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="rotations", db_index=False)
    new = models.OneToOneField(ApiKey, on_delete=models.PROTECT, related_name="made_by_rotation")
    state = models.CharField(max_length=12, default=RotationState.PREPARING)
    because = models.CharField(max_length=20)
    overlap = models.PositiveIntegerField()
    overlap_until = models.DateTimeField()
    quiet_after = models.PositiveIntegerField()
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    started_at = models.DateTimeField()
    stored_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    quiet_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    proof = models.CharField(max_length=10, blank=True, default="")

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="rotation_state_is_known",
                condition=Q(state__in=[state.value for state in RotationState]),
            ),
            models.CheckConstraint(
                name="rotation_reason_is_known", condition=Q(because__in=[each.value for each in Because])
            ),
            models.CheckConstraint(
                name="rotation_has_an_end_if_over",
                condition=(IS_OPEN & Q(ended_at__isnull=True)) | (~IS_OPEN & Q(ended_at__isnull=False)),
            ),
            models.CheckConstraint(name="rotation_changes_the_key", condition=~Q(old=models.F("new"))),
            models.UniqueConstraint(fields=["old"], name="rotation_once_at_a_time", condition=IS_OPEN),
        )
        indexes = (
            models.Index("old", "started_at", name="rotation_by_old"),
            models.Index("started_at", "id", name="rotation_by_start"),
            models.Index("state", "started_at", "id", name="rotation_by_state"),
            models.Index("because", "state", "started_at", "id", name="rotation_by_reason"),
            models.Index("id", name="rotation_open", condition=IS_OPEN),
            models.Index("overlap_until", name="rotation_by_deadline", condition=IS_OPEN),
            models.Index(
                "returned_at", name="rotation_returned", condition=IS_OPEN & Q(returned_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.old_id} → {self.new_id}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def sight(self) -> Sight:
        """Return what decides about the next step, from the rows of both keys."""
        return Sight(
            state=RotationState(self.state),
            old_state=State(self.old.state),
            new_state=State(self.new.state),
            new_used_at=self._use_of_new(),
            old_used_at=self.old.last_used_at,
            old_seen_until=seen_until(self.old),
            used_at=self.used_at,
            returned_at=self.returned_at,
            quiet_after=timedelta(seconds=self.quiet_after),
            overlap_until=self.overlap_until,
        )

    def _use_of_new(self) -> datetime | None:
        """Return the last use of the new key. The portal's own check of a pasted key is none."""
        used = self.new.last_used_at
        pasted = self.new.origin == ApiKey.Origin.PASTED
        if used is None or (pasted and (self.stored_at is None or used <= self.stored_at)):
            return None
        return used


def seen_until(key: ApiKey) -> datetime | None:
    """Return the time up to which the portal knows the last use of ``key``.

    If only a person can read it, that is the time of the newest reading.
    """
    return key.use_read_at if key.is_deleted_by_hand else key.confirmed_at
