"""Store reveal grants."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.models.user import User


class RevealGrant(models.Model):
    """The right to view a new key once. The key is sealed to one browser tab."""

    class GrantState(models.TextChoices):
        READY = "ready"
        CLAIMED = "claimed"
        GONE = "gone"

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="grant")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    sealed = models.BinaryField(null=True)
    thumbprint = models.CharField(max_length=43)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=GrantState.choices, default=GrantState.READY)
    claimed_at = models.DateTimeField(null=True)
    claimed_ip = models.CharField(max_length=45, blank=True)
    claimed_browser = models.CharField(max_length=200, blank=True)
    claimed_session = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="grant_sealed_only_while_ready",
                condition=Q(state="ready", sealed__isnull=False)
                | (~Q(state="ready") & Q(sealed__isnull=True)),
            ),
            models.CheckConstraint(
                name="grant_claimed_has_a_time", condition=~Q(state="claimed") | Q(claimed_at__isnull=False)
            ),
            models.CheckConstraint(
                name="grant_state_is_known", condition=Q(state__in=["ready", "claimed", "gone"])
            ),
        )

    def __str__(self) -> str:
        return f"{self.key_id} ({self.state})"

    @classmethod
    def withdraw(cls, key: ApiKey) -> None:
        """Delete the sealed bytes of ``key`` if nobody has viewed them yet."""
        ready = cls.objects.filter(key=key, state=cls.GrantState.READY)
        ready.update(state=cls.GrantState.GONE, sealed=None)
