"""Store the plans for the keys of people who leave, and who must make them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.models.user import User


class LeaverPlan(models.Model):
    """The plan for a key if its owner, ``person``, leaves. Everybody's keys can have one at any time.

    ``to``: who is to own the new key if the key is to be rotated. ``until``: how long it is to be kept.
    ``open_since``: since when somebody must decide, or None if nobody must: the owner is there, or somebody
    has decided. ``assigned``: who must, or None if that is any admin.
    """

    class Decision(models.TextChoices):
        ROTATE = "rotate", "Rotate to another owner"
        REMOVE = "remove", "Remove"
        KEEP = "keep", "Keep until a date"

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="leaver_plan")
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    decision = models.CharField(max_length=6, blank=True, choices=Decision.choices)
    to = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    until = models.DateField(null=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    assigned = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="leaver_tasks", db_index=False
    )
    open_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="leaver_plan_is_complete",
                condition=Q(decision="", to__isnull=True, until__isnull=True)
                | Q(decision="rotate", to__isnull=False, until__isnull=True)
                | Q(decision="remove", to__isnull=True, until__isnull=True)
                | Q(decision="keep", to__isnull=True, until__isnull=False),
            ),
        )
        indexes = (
            models.Index("open_since", name="leaver_plan_open", condition=Q(open_since__isnull=False)),
            models.Index(
                "assigned", "open_since", name="leaver_plan_assigned", condition=Q(open_since__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {self.decision or 'open'}"

    @property
    def words(self) -> str:
        """Return the decision in words, or "" if there is none."""
        if self.decision == self.Decision.ROTATE and self.to:
            return f"Rotate to {self.to.name}"
        if self.decision == self.Decision.KEEP and self.until:
            return f"Keep until {self.until.day} {self.until:%b %Y}"
        return "Remove" if self.decision else ""
