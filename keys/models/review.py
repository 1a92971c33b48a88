"""Store review campaigns, their frozen items, and the certificates that follow from a sign-off."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Case, Q, Value, When

from keys.models.api_key import ApiKey
from keys.models.selection import Selection
from keys.models.user import User
from keys.rules.reviews import CADENCES, TO_DO, CampaignState, Comparison, Decision, Void


class Campaign(models.Model):
    """A review of the keys that matched a filter, or of a list of keys, when it was frozen.

    ``query``: the query string of the inventory. If ``is_list``, the keys are those of ``selection``, or
    those of ``previous`` if a cadence has opened this campaign. ``named``: the ids of the people who review,
    or an empty list if those do who answer for the keys. ``cadence``: the days until the next campaign opens,
    or None. ``escalated_at``: when people were told that it is overdue. ``certified_to``: the id of the last
    item that has a certificate, while the certificates are written after the sign-off.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=4000, blank=True)
    is_list = models.BooleanField(default=False)
    selection = models.ForeignKey(
        Selection, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    named = models.JSONField(default=list)
    rationale = models.CharField(max_length=500)
    state = models.CharField(max_length=8, default=CampaignState.FREEZING.value)
    previous = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="next")
    cadence = models.PositiveSmallIntegerField(null=True)
    started_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    started_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    escalated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    signed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    signed_at = models.DateTimeField(null=True)
    certified_to = models.BigIntegerField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="campaign_state_is_known",
                condition=Q(state__in=[state.value for state in CampaignState]),
            ),
            models.CheckConstraint(
                name="campaign_cadence_is_known",
                condition=Q(cadence__isnull=True) | Q(cadence__in=CADENCES),
            ),
            models.CheckConstraint(
                name="campaign_is_signed_by_somebody",
                condition=Q(state="signed", signed_by__isnull=False, signed_at__isnull=False)
                | (~Q(state="signed") & Q(signed_by__isnull=True, signed_at__isnull=True)),
            ),
        )
        indexes = (
            models.Index("started_at", "id", name="campaign_by_start"),
            models.Index("state", "id", name="campaign_by_state"),
            models.Index("selection", name="campaign_by_selection", condition=Q(selection__isnull=False)),
            models.Index("id", name="campaign_to_certify", condition=Q(certified_to__isnull=False)),
            models.Index("opened_at", name="campaign_repeated", condition=Q(cadence__isnull=False)),
        )

    def __str__(self) -> str:
        return self.name


class ReviewItem(models.Model):
    """A key of a campaign with its values at the freeze, its reviewer, and the decision.

    ``snapshot``: the values that the reviewer sees. ``shown_at``: when the item was first shown to its
    reviewer. ``took``: the milliseconds until the decision, from then or from the reviewer's decision before,
    or None on the command line. ``in_bulk``: the decision was one of several at once. ``done_at``: when the
    key was narrowed, rotated or removed, as decided.
    """

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="items", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="review_items", db_index=False)
    snapshot = models.JSONField()
    has_finding = models.BooleanField()
    comparison = models.CharField(max_length=7)
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    shown_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=13, blank=True)
    sentence = models.CharField(max_length=500, blank=True)
    in_bulk = models.BooleanField(default=False)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    took = models.PositiveIntegerField(null=True)
    done_at = models.DateTimeField(null=True)
    to_do = models.GeneratedField(  # 1 or NULL, for the partial index
        expression=Case(
            When(decision__in=[each.value for each in TO_DO], done_at__isnull=True, then=Value(1)),
            default=None,
        ),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(name="review_item_once", fields=["key", "campaign"]),
            models.CheckConstraint(
                name="review_item_comparison_is_known",
                condition=Q(comparison__in=[each.value for each in Comparison]),
            ),
            models.CheckConstraint(
                name="review_item_decision_is_known",
                condition=Q(decision__in=["", *(each.value for each in Decision)]),
            ),
            models.CheckConstraint(
                name="review_item_is_decided_by_somebody",
                condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
                | Q(decision="not_certified", decided_by__isnull=True, decided_at__isnull=False)
                | (
                    ~Q(decision__in=["", "not_certified"])
                    & Q(decided_by__isnull=False, decided_at__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="review_item_in_bulk_is_kept",
                condition=Q(in_bulk=False) | Q(decision="keep", comparison="same", has_finding=False),
            ),
            models.CheckConstraint(
                name="review_item_kept_with_a_sentence",
                condition=~Q(decision="keep", has_finding=True, sentence=""),
            ),
        )
        indexes = (
            models.Index("campaign", "decision", "id", name="review_item_by_decision"),
            models.Index("campaign", "reviewer", "decision", "id", name="review_item_by_reviewer"),
            models.Index("campaign", "decided_by", "took", "in_bulk", name="review_item_by_speed"),
            models.Index("campaign", "decided_by", "decided_at", name="review_item_by_time"),
            models.Index("id", "to_do", name="review_item_to_do", condition=Q(to_do__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {self.decision or 'undecided'}"


class Certificate(models.Model):
    """What the newest review said of a key: the row of a key that was kept, or that nobody decided about.

    ``item``: the item that kept it, or that nobody decided. ``certified_at``: when the campaign was signed
    off, or None if nobody decided. ``voided_at``: since when the key is not certified, and
    ``because`` of what.
    """

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="certificate")
    item = models.OneToOneField(ReviewItem, on_delete=models.PROTECT, related_name="+")
    certified_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)
    because = models.CharField(max_length=9, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="certificate_is_void_for_a_reason",
                condition=Q(voided_at__isnull=True, because="", certified_at__isnull=False)
                | (Q(voided_at__isnull=False) & Q(because__in=[each.value for each in Void])),
            ),
        )
        indexes = (
            models.Index("key", name="certificate_valid", condition=Q(voided_at__isnull=True)),
            models.Index("key", name="certificate_void", condition=Q(voided_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {self.because or 'certified'}"
