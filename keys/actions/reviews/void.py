"""End the certificate of a key that may do more, or that has another owner, than when it was reviewed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from keys.audit import log
from keys.models import ApiKey, Certificate, ReviewItem
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Actor
from keys.rules.reviews import Void, why_void
from keys.selectors.reviews.population import as_facts


def follow_certificate(key_id: UUID, actor: Actor | None) -> None:
    """End the certificate of the key if its present values void it.

    Call this in each transaction that changes the scopes or the owner of a key.
    """
    found = Certificate.objects.select_related("item__campaign").filter(pk=key_id, voided_at=None).first()
    if found is None:
        return
    key = ApiKey.objects.get(pk=key_id)
    because = why_void(as_facts(found.item.snapshot), key.owner_id, key.scopes)
    if because is not None:
        _end(found, key, because, actor)


def write_undecided(item: ReviewItem) -> bool:
    """Store that nobody decided about an active key. Return False if the key is not active any more."""
    key = item.key
    if key.phase != Phase.LIVE or key.expires_at <= timezone.now():
        return False
    found = Certificate.objects.filter(pk=key.pk).first() or Certificate(key=key)
    found.item, found.certified_at = item, None
    _end(found, key, Void.UNDECIDED, None)
    return True


def _end(found: Certificate, key: ApiKey, because: Void, actor: Actor | None) -> None:
    found.voided_at, found.because = timezone.now(), because
    found.save()
    campaign = found.item.campaign
    details: dict[str, Any] = {"campaign": str(campaign.pk), "review": campaign.name, "void": because}
    log.append(Event.KEY_NOT_CERTIFIED, actor=actor, key=key, **details)
