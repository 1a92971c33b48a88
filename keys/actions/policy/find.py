"""Find the keys that are outside the policy, and close the findings of keys that meet it again.

A finding from which a key is excepted is closed until the exception ends. The job looks at every key in
batches, which it reads by the primary key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.models import ApiKey, Finding
from keys.models.policy import policy_in_force
from keys.rules.policy.document import Policy
from keys.selectors.policy.facts import COLUMNS, excepted, owners_keys, violations_in

BATCH = 1_000
DUE_AFTER = timedelta(days=30)
SPREAD_OVER = 30
"""Days over which the due dates of keys are spread, so that they are not all due on one day."""


def find_outside() -> str:
    """Compare all keys with the policy. Return a summary."""
    now, found, last, policy = timezone.now(), 0, UUID(int=0), policy_in_force()
    while True:
        batch = list(ApiKey.objects.filter(pk__gt=last).order_by("pk").values(*COLUMNS)[:BATCH])
        if not batch:
            return f"Findings: {found:,}"
        found += _settle(batch, last, now, policy)
        last = batch[-1]["id"]


def _settle(batch: list[dict[str, Any]], after: UUID, now: datetime, policy: Policy) -> int:
    """Store the findings of the keys in ``batch``, and delete those that are over. Return their number."""
    counts = owners_keys((key["owner_id"] for key in batch), now, policy)
    found = {
        (key["id"], violation.rule.value)
        for key in batch
        for violation in violations_in(key, now, policy, counts)
    }
    if found:
        found -= excepted({key for key, _ in found}, now)
    rows = Finding.objects.filter(key__gt=after, key__lte=batch[-1]["id"]).values_list("key_id", "rule", "pk")
    known = {(key, rule): pk for key, rule, pk in rows}
    new = [_finding(key, rule, now) for key, rule in sorted(found - known.keys())]
    over = [pk for each, pk in known.items() if each not in found]
    if new or over:
        with transaction.atomic():
            Finding.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
            Finding.objects.filter(pk__in=over).delete()
    return len(found)


def _finding(key: UUID, rule: str, now: datetime) -> Finding:
    spread = timedelta(days=key.int % SPREAD_OVER)
    return Finding(key_id=key, rule=rule, since=now, due_on=timezone.localdate(now) + DUE_AFTER + spread)
