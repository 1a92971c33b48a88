"""Store who is linked with which account of the sign-in provider, and who is on the way there."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, GreaterThan

from keys.models.user import User


class SsoLink(models.Model):
    """A person's account at a sign-in provider. ``subject``: its id there, which never changes, unlike an
    email.

    ``event_id``: the event that explains this row. A row without it was not written by the portal.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sso_links", db_index=False)
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField()
    event_id = models.BigIntegerField(unique=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(name="sso_link_of_one_person", fields=["issuer", "subject"]),
            models.UniqueConstraint(name="sso_link_one_per_provider", fields=["user", "issuer"]),
            models.CheckConstraint(
                name="sso_link_is_whole",
                condition=Q(GreaterThan(Length("issuer"), 0), GreaterThan(Length("subject"), 0)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class SsoRequest(models.Model):
    """A person who was sent to the sign-in provider and has not come back. The row can be used once.

    ``name``: a hash of the state, which only the browser and the provider know. ``session``: a hash that
    identifies the session, or the browser if nobody is signed in. ``link``: whom a step-up must confirm.
    ``kept``: input to send again afterwards, encrypted with a key that needs the state.
    """

    class Purpose(models.TextChoices):
        SIGN_IN = "sign-in"
        STEP_UP = "step-up"

    name = models.CharField(max_length=64, primary_key=True)
    session = models.CharField(max_length=64, db_index=True)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    issuer = models.CharField(max_length=500)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, db_index=False)
    link = models.ForeignKey(SsoLink, on_delete=models.CASCADE, null=True, db_index=False)
    next_path = models.CharField(max_length=4000, blank=True)
    kept = models.TextField(blank=True)
    started_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="sso_request_is_for_one_purpose",
                condition=Q(purpose="sign-in", user=None, link=None)
                | Q(purpose="step-up", user__isnull=False, link__isnull=False),
            ),
            models.CheckConstraint(
                name="sso_request_has_a_session", condition=Q(Exact(Length("session"), 64))
            ),
        )

    def __str__(self) -> str:
        return f"{self.purpose} at {self.issuer}"
