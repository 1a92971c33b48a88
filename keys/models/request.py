"""Store requests for approval, and the verdicts on them."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from keys.models.user import User
from keys.rules.errors import Conflict
from keys.rules.permissions import ADMINS, Role
from keys.rules.requests import (
    STORED,
    Asked,
    RequestKind,
    RequestState,
    digest_of,
    review_by,
    state_at,
)


class AccessRequest(models.Model):
    """A request to do an act that other people must approve (keys.rules.requests).

    ``document``: the frozen act as canonical JSON. ``digest``: its hash. ``needed``: how many people must
    approve it. ``least_role``: the role of the key's owner, which an approver has at least. ``subject``:
    the key that was generated or is to get a scope, or the list of keys to delete. ``offer``: a narrower
    document that an approver offers instead, or "". ``ticket``: if the requester went on without approval
    (break-glass), the number of the incident, else "".
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.label) for kind in RequestKind])
    state = models.CharField(max_length=10, default=RequestState.OPEN)
    requester = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    least_role = models.PositiveSmallIntegerField()
    needed = models.PositiveSmallIntegerField()
    document = models.TextField()
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    made_at = models.DateTimeField()
    decide_by = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    use_by = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    subject = models.UUIDField(null=True)
    offer = models.TextField(blank=True, default="")
    offered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    ticket = models.CharField(max_length=100, blank=True, default="")
    reviewed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="request_state_is_known", condition=Q(state__in=[state.value for state in STORED])
            ),
            models.CheckConstraint(
                name="request_kind_is_known", condition=Q(kind__in=[kind.value for kind in RequestKind])
            ),
            models.CheckConstraint(
                name="request_is_usable_for_a_time",
                condition=~Q(state__in=["approved", "used"])
                | Q(approved_at__isnull=False, use_by__isnull=False),
            ),
            models.CheckConstraint(
                name="request_offer_has_a_person",
                condition=Q(offer="", offered_by__isnull=True) | (~Q(offer="") & Q(offered_by__isnull=False)),
            ),
        )
        indexes = (
            models.Index("made_at", "id", name="request_by_time"),
            models.Index("state", "made_at", "id", name="request_by_state"),
            models.Index("requester", "made_at", "id", name="request_by_requester"),
            models.Index("subject", name="request_by_subject", condition=Q(subject__isnull=False)),
            models.Index(
                "made_at", name="request_to_review", condition=~Q(ticket="") & Q(reviewed_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:8]}"

    def state_now(self, now: datetime | None = None) -> RequestState:
        return state_at(RequestState(self.state), self.decide_by, self.use_by, now or timezone.now())

    def check_document(self) -> None:
        """Raise ``Conflict`` unless the document has the hash that the verdicts and the log name."""
        if digest_of(self.document) != self.digest:
            raise Conflict("This request was changed in the database, so nothing is done. Ask again.")

    @property
    def act(self) -> dict[str, Any]:
        """The frozen act."""
        act: dict[str, Any] = json.loads(self.document)
        return act

    @property
    def is_break_glass(self) -> bool:
        return bool(self.ticket)

    @property
    def review_by(self) -> datetime:
        return review_by(self.made_at)

    def asked(self) -> Asked:
        """Return who may decide. The owner is the requester, or the owner of the keys that exist already."""
        least = self.least_role
        if self.kind == RequestKind.WIDEN:
            least = max(least, User.objects.get(pk=self.act["person"]).role)
        elif self.kind == RequestKind.GENERATE:  # the key acts as the requester, whose role may have changed
            least = max(least, self.requester.role)
        approved = self.verdicts.filter(approves=True, digest=self.digest)
        return Asked(
            requester=self.requester_id,
            owner=self.act.get("person", self.requester_id),
            least_role=Role(least),
            decided=frozenset(approved.values_list("approver_id", flat=True)),
        )

    def standing_approvals(self) -> frozenset[int]:
        """Return the people who approved this document, and who could still decide about it today."""
        approved = self.verdicts.filter(
            approves=True,
            digest=self.digest,
            approver__is_active=True,
            approver__role__in=[role for role in ADMINS if role >= self.asked().least_approver],
        )
        return frozenset(approved.values_list("approver_id", flat=True))


class Verdict(models.Model):
    """What one person decided about the document with the hash ``digest``."""

    request = models.ForeignKey(
        AccessRequest, on_delete=models.CASCADE, related_name="verdicts", db_index=False
    )
    approver = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    approves = models.BooleanField()
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["request", "approver", "digest"], name="verdict_once_for_each_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.request_id}: {'approved' if self.approves else 'denied'}"
