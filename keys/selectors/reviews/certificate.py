"""Say whether a key is certified by a review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.models import ApiKey, Campaign, Certificate
from keys.rules.reviews import Void, why_void
from keys.selectors.reviews.population import as_facts


@dataclass(frozen=True)
class CertificateOfKey:
    """``at``: when the key was certified, or was no longer. ``because``: why it is not certified, or ""."""

    campaign: Campaign
    at: datetime
    because: str


def certificate_of(key: ApiKey) -> CertificateOfKey | None:
    """Return what the newest review said, or None if no review has ended with the key.

    The values of the key are compared as well, so that a deleted mark in the row does not certify it.
    """
    found = Certificate.objects.select_related("item__campaign").filter(pk=key.pk).first()
    if found is None:
        return None
    void = Void(found.because) if found.because else None
    void = void or why_void(as_facts(found.item.snapshot), key.owner_id, key.scopes)
    at = found.voided_at or found.certified_at
    assert at is not None  # by a constraint
    return CertificateOfKey(found.item.campaign, at, void.label if void else "")
