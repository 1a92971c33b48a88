"""Store what the portal noticed about Cerby's answers, for the Health page and its alerts."""

from __future__ import annotations

from django.db import models


class DroppedValue(models.Model):
    """An attribute whose values the portal could not read when it last read a list, and went on without.

    ``kind``: "person", "API key", "vault", "secret", or "unread key" if the portal went on without the whole
    key. ``example``: Cerby's id of one of the ``count`` resources.
    """

    kind = models.CharField(max_length=10)
    attribute = models.CharField(max_length=60)
    count = models.PositiveIntegerField()
    example = models.UUIDField()
    found_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["kind", "attribute"], name="dropped_value_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.attribute}"


class CredentialRefusal(models.Model):
    """The last time that Cerby answered 401 to one of the portal's own credentials.

    ``credential``: the name of its setting. ``doing`` completes "Cerby refused to …".
    """

    credential = models.CharField(max_length=20, primary_key=True)
    doing = models.CharField(max_length=100)
    refused_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.credential
