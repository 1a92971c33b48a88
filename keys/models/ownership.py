"""Define the columns that say who answers for a key and what it is for. ``ApiKey`` inherits them."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When

from keys.models.folding import Folded
from keys.models.user import User
from keys.rules.folded_text import fold

NO_REVIEW = date(9999, 12, 31)
"""The day that sorts keys without a review date after all others."""


class OwnershipColumns(models.Model):
    """Who answers for a key, what uses it, and when somebody must review it.

    ``accountable``: the person who answers for the key in the organisation. The person who created it and its
    owner in Cerby may be others. Name and email are copied here so that lists can show and sort by them, and
    ``accountable_left_at`` from the person's ``left_at``. ``orphan``: 1 if no active person answers for the
    key, else NULL. ``system``: the software that uses it. ``tags``: case-folded and sorted; triggers copy
    them to ``KeyTag``. ``imported_in``: the import that added the key. ``version`` counts the changes that
    people made, so that two people who edit at the same time notice each other.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        WORKLOAD = "workload", "Workload"
        AGENT = "agent", "Agent"
        VENDOR = "vendor", "Vendor"

    class Environment(models.TextChoices):
        PRODUCTION = "production", "Production"
        OTHER = "other", "Other"

    accountable = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="accountable_for", db_index=False
    )
    accountable_name = models.CharField(max_length=200, blank=True, default="")
    accountable_email = models.EmailField(blank=True, default="")
    accountable_order = Folded("accountable_name", max_length=600, default="")
    accountable_left_at = models.DateTimeField(null=True)
    orphan = models.GeneratedField(
        expression=Case(
            When(Q(accountable__isnull=True) | Q(accountable_left_at__isnull=False), then=Value(1)),
            default=None,
        ),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    backup = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="backup_for", db_index=False
    )
    team = models.CharField(max_length=100, blank=True, default="")
    team_order = Folded("team", max_length=300, default="")
    system = models.CharField(max_length=100, blank=True, default="")
    system_order = Folded("system", max_length=300, default="")
    kind = models.CharField(max_length=10, choices=Kind.choices, blank=True, default="")
    environment = models.CharField(max_length=10, choices=Environment.choices, blank=True, default="")
    review_on = models.DateField(null=True)
    review_order = models.GeneratedField(
        expression=models.functions.Coalesce(
            F("review_on"), Value(NO_REVIEW, output_field=models.DateField())
        ),
        output_field=models.DateField(),
        db_persist=True,
    )
    note = models.CharField(max_length=500, blank=True, default="")
    tags = models.JSONField(default=list)
    imported_in = models.UUIDField(null=True)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    @staticmethod
    def accountable_columns(person: User | None) -> dict[str, Any]:
        """Return the columns that name the accountable person, empty if there is none."""
        return {
            "accountable_id": person.pk if person else None,
            "accountable_name": person.name if person else "",
            "accountable_order": fold(person.name) if person else "",
            "accountable_email": person.email if person else "",
            "accountable_left_at": person.left_at if person else None,
        }

    def is_review_due(self, today: date) -> bool:
        return self.review_on is not None and self.review_on <= today

    def ownership_details(self) -> dict[str, Any]:
        """Return the values for an audit event. Emails are personal data, so they stand under that name."""
        return {
            "accountable": _person(self.accountable_id, self.accountable_email),
            "backup": _person(self.backup_id, self.backup.email if self.backup else ""),
            "team": self.team,
            "system": self.system,
            "kind": self.kind,
            "environment": self.environment,
            "review_on": self.review_on.isoformat() if self.review_on else "",
            "tags": self.tags,
        }


def _person(pk: int | None, email: str) -> dict[str, str] | None:
    return {"id": str(pk), "email": email} if pk else None


INDEXES = (
    models.Index("accountable", "created_at", "id", "listed", name="key_by_accountable"),
    models.Index(
        *("backup", "created_at", "id", "listed"), name="key_by_backup", condition=Q(backup__isnull=False)
    ),
    models.Index(
        "accountable_order", "id", name="key_by_accountable_name", condition=Q(listed__isnull=False)
    ),
    models.Index("team_order", "created_at", "id", "listed", name="key_by_team"),
    models.Index("system_order", "created_at", "id", "listed", name="key_by_system"),
    models.Index("kind", "created_at", "id", "listed", name="key_by_kind"),
    models.Index("environment", "created_at", "id", "listed", name="key_by_environment"),
    models.Index("review_order", "id", name="key_by_review", condition=Q(listed__isnull=False)),
    models.Index(
        *("phase", "review_order", "id", "expires_at", "listed"),
        name="key_review_due",
        condition=Q(review_on__isnull=False),
    ),
    models.Index("imported_in", name="key_by_import", condition=Q(imported_in__isnull=False)),
)
"""One index per filter, in the order of its list."""
