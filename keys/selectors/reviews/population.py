"""Return the keys of a campaign, and the values that an item keeps of a key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import QueryDict

from keys.models import ApiKey, AuditEvent, Campaign, ReviewItem, SelectedKey
from keys.models.policy import policy_in_force
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import Phase
from keys.rules.reach import Items, lists_opened
from keys.rules.reviews import MOST_ITEMS, CampaignState, Decision, Snapshot
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.keyset import order_by
from keys.selectors.policy.facts import COLUMNS as POLICY_COLUMNS
from keys.selectors.policy.facts import owners_keys, violations_in

COLUMNS = (
    *POLICY_COLUMNS,
    *("accountable_id", "environment", "use_read_by_id", "confirmed_at"),
    *("owner__reach__secrets", "owner__reach__accounts", "owner__reach__collections"),
)
"""The columns that ``snapshot_of`` needs."""
_REQUESTS = (Event.KEY_REQUESTED, Event.KEY_RESCOPE_STARTED)


def keys_of(campaign: Campaign) -> list[UUID]:
    """Return the ids of the keys that belong to the campaign now, at most one more than it can have.

    Raises ``Invalid`` if the filter is not valid.
    """
    if campaign.selection_id is not None:
        selected = SelectedKey.objects.filter(selection=campaign.selection_id).order_by("position")
        return list(selected.values_list("key_id", flat=True)[: MOST_ITEMS + 1])
    if campaign.is_list:
        before = ReviewItem.objects.filter(campaign=campaign.previous_id).order_by("id")
        return list(before.values_list("key_id", flat=True)[: MOST_ITEMS + 1])
    wanted = InventoryFilter(QueryDict(campaign.query))
    if not wanted.is_valid():
        raise Invalid(wanted.reasons())
    found = order_by(*wanted.keys()).values_list("pk", flat=True)
    return list(found[: MOST_ITEMS + 1])


def active_rows(ids: Collection[UUID], now: datetime) -> QuerySet[Any, Any]:
    """Return the values of ``COLUMNS`` of those of the keys that are active. Nobody reviews another key."""
    active: QuerySet[Any, Any] = ApiKey.objects.filter(pk__in=ids, phase=Phase.LIVE, expires_at__gt=now)
    return active.values(*COLUMNS)


def findings_in(rows: Collection[Mapping[str, Any]], now: datetime) -> dict[UUID, list[str]]:
    """Return the rules of the policy that each key does not meet, by the id of the key."""
    policy = policy_in_force()
    counts = owners_keys((row["owner_id"] for row in rows), now, policy)
    return {
        row["id"]: sorted({violation.rule.value for violation in violations_in(row, now, policy, counts)})
        for row in rows
    }


def snapshot_of(row: Mapping[str, Any], findings: list[str]) -> dict[str, Any]:
    """Return what an item keeps of a key. People are numbers, so that nothing personal is copied."""
    opened = lists_opened(row["scopes"])
    counts = {items.value: row[f"owner__reach__{items.value}"] for items in opened if items != Items.TEAMS}
    return {
        "name": row["name"],
        "owner": row["owner_id"],
        "scopes": list(row["scopes"]),
        "reach": {items: count for items, count in counts.items() if count is not None},
        "expires_at": utc_microseconds(row["expires_at"]),
        "purpose": row["purpose"],
        "team": row["team"],
        "system": row["system"],
        "last_used_at": utc_microseconds(row["last_used_at"]) if row["last_used_at"] else None,
        "use_source": _source(row),
        "use_as_of": _as_of(row),
        "findings": findings,
    }


def _source(row: Mapping[str, Any]) -> str:
    """Return who told the last use: a person, Cerby, or nobody."""
    if row["use_read_at"] is not None:
        return "person"
    is_listed = row["cerby_id"] is not None and settings.CERBY_ISSUE_MODE != "assisted"
    return "cerby" if is_listed and row["confirmed_at"] is not None else ""


def _as_of(row: Mapping[str, Any]) -> str | None:
    moment = {"person": row["use_read_at"], "cerby": row["confirmed_at"]}.get(_source(row))
    return utc_microseconds(moment) if moment else None


def as_facts(snapshot: Mapping[str, Any]) -> Snapshot:
    """Return the values by which snapshots are compared."""
    return Snapshot(
        owner=snapshot["owner"],
        scopes=frozenset(snapshot["scopes"]),
        reach=sum(snapshot["reach"].values()) if snapshot["reach"] else None,
        expires_at=datetime.fromisoformat(snapshot["expires_at"]),
        purpose=snapshot["purpose"],
        findings=frozenset(snapshot["findings"]),
    )


def last_kept(ids: Iterable[UUID]) -> dict[UUID, Snapshot]:
    """Return the snapshot of each key when it was last kept in a campaign that is signed off."""
    kept = ReviewItem.objects.filter(
        key__in=list(ids), decision=Decision.KEEP, campaign__state=CampaignState.SIGNED
    )
    return {key: as_facts(each) for key, each in kept.order_by("id").values_list("key_id", "snapshot")}


def requesters_of(ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return who last requested each key, or other scopes for it, by the id of the key."""
    asked = AuditEvent.objects.filter(key_id__in=list(ids), type__in=_REQUESTS, actor_id__isnull=False)
    found = asked.order_by("at", "id").values_list("key_id", "actor_id")
    return {key: actor for key, actor in found if key is not None and actor is not None}
