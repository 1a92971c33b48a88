"""Make campaigns of reviews without the pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.models import ApiKey, Campaign, ReviewItem, User
from keys.rules.formatting import utc_microseconds
from tests.cast import a_key, email_of

DAY = timedelta(days=1)


def a_campaign(keys: Iterable[ApiKey], reviewer: User | None, **columns: Any) -> Campaign:
    """Create an open campaign with an item of ``reviewer`` for each key, without its events."""
    now = timezone.now()
    usual: dict[str, Any] = {"name": "Spring", "rationale": "Yearly.", "state": "open"}
    usual |= {"started_at": now, "opened_at": now, "due_at": now + DAY}
    campaign = Campaign.objects.create(id=uuid.uuid4(), **usual | columns)
    for key in keys:
        an_item(campaign, key, reviewer)
    return campaign


def an_item(campaign: Campaign, key: ApiKey, reviewer: User | None, **columns: Any) -> ReviewItem:
    usual = {"snapshot": a_snapshot(key), "has_finding": False, "comparison": "new", "reviewer": reviewer}
    return ReviewItem.objects.create(campaign=campaign, key=key, **usual | columns)


def a_snapshot(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "owner": key.owner_id,
        "scopes": list(key.scopes),
        "reach": {},
        "expires_at": utc_microseconds(key.expires_at),
        "purpose": key.purpose,
        "team": "",
        "system": "",
        "last_used_at": None,
        "use_source": "",
        "use_as_of": None,
        "findings": [],
    }


def a_review_with_address(name: str) -> dict[str, Any]:
    """Create an open review of one key, reviewed by the cast's admin. Return the values for ``name``."""
    admin, guest = (User.objects.get(email=email_of(who)) for who in ("admin", "guest"))
    campaign = a_campaign([a_key(guest)], admin)
    of_item = name in {"keys:review-item", "keys:review-move", "keys:review-done"}
    return {"campaign_id": campaign.pk} | ({"item_id": campaign.items.get().pk} if of_item else {})


def review_bodies() -> dict[str, dict[str, Any]]:
    """Return a well-formed body for each URL. The decision is about the newest item."""
    newest = ReviewItem.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    return {
        "keys:reviews-start": {"name": "N", "rationale": "R", "due_on": f"{timezone.localdate()}"},
        "keys:review-decide": {"decision": "remove", "item": newest},
        "keys:review-move": {"to": email_of("owner"), "reason": "Theirs."},
        **{name: {"reason": "Checked."} for name in ("keys:review-done", "keys:review-sign")},
    }
