"""Store the versions of the organisation's policy, and the keys that are outside it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from keys.models.api_key import ApiKey
from keys.models.user import User
from keys.rules.policy.document import DEFAULT, Name, Policy
from keys.rules.policy.written import digest, read_stored, write


class PolicyVersion(models.Model):
    """A policy that a person proposed. Its document never changes; its state changes once.

    ``document``: the policy as JSON (keys.rules.policy.written). ``digest``: its SHA-256. ``base``: the
    number of the version that was in force then, 0 for the policy that the portal comes with.
    ``needs_approval``: it enforces or loosens a rule, so that another person must approve it. ``alone``: the
    author was the only person who could approve it, and did. ``starts_at``: since when it is in force, if it
    ever was. ``decided_by``: who approved, declined or withdrew it.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        ACTIVE = "active", "Approved"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    number = models.PositiveIntegerField(unique=True)
    document = models.TextField()
    digest = models.CharField(max_length=64)
    base = models.PositiveIntegerField()
    reason = models.CharField(max_length=300)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    proposed_at = models.DateTimeField()
    needs_approval = models.BooleanField()
    alone = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=300, blank=True)
    starts_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="policy_state_is_known",
                condition=Q(state__in=["proposed", "active", "declined", "withdrawn"]),
            ),
            models.CheckConstraint(
                name="policy_starts_when_active",
                condition=Q(state="active", starts_at__isnull=False)
                | (~Q(state="active") & Q(starts_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="policy_approved_by_another",
                condition=~Q(state="active", needs_approval=True, alone=False)
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("author"))),
            ),
            models.UniqueConstraint(
                fields=["state"], name="policy_one_proposal", condition=Q(state="proposed")
            ),
        ]
        indexes = (models.Index("state", "number", name="policy_by_state"),)

    def __str__(self) -> str:
        return f"Version {self.number}"

    @property
    def policy(self) -> Policy:
        return read_stored(self.document)

    @classmethod
    def in_force(cls) -> PolicyVersion | None:
        """Return the version in force, or None if it is the policy that the portal comes with."""
        active = cls.objects.filter(state=cls.State.ACTIVE).select_related("author", "decided_by")
        return active.order_by("-number").first()

    @property
    def is_intact(self) -> bool:
        """Return whether the document is the one that was proposed."""
        return digest(self.document) == self.digest


DEFAULT_DOCUMENT = write(DEFAULT)


def policy_in_force() -> Policy:
    version = PolicyVersion.in_force()
    return version.policy if version else DEFAULT


class KeyFacts(models.Model):
    """What the policy asks about each active key. Triggers keep the rows (keys.models.policy_columns).

    ``life``: the seconds from creation to expiry.
    """

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="facts")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    bits = models.BigIntegerField()
    life = models.BigIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    name = models.CharField(max_length=100)

    class Meta:
        indexes = (models.Index("owner", "expires_at", name="key_facts_by_owner"),)

    def __str__(self) -> str:
        return str(self.key_id)


class Finding(models.Model):
    """A live key that does not meet ``rule`` of the policy. ``due_on``: the day by which people should act.

    The background job creates and deletes the rows (keys.actions.policy.find).
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="findings", db_index=False)
    rule = models.CharField(max_length=20)
    since = models.DateTimeField()
    due_on = models.DateField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["key", "rule"], name="finding_once_for_each_rule"),
            models.CheckConstraint(
                name="finding_rule_is_known",
                condition=Q(rule__in=[name.value for name in Name if not name.is_for_requests]),
            ),
        )
        indexes = (models.Index("rule", "due_on", "id", name="finding_by_rule"),)

    def __str__(self) -> str:
        return f"{self.key_id}: {self.rule}"
