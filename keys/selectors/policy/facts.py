"""Read the facts about a key that the policy looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from keys.models import ApiKey, PolicyException
from keys.models.api_key import LISTED
from keys.models.policy import policy_in_force
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase
from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.facts import Facts
from keys.rules.policy.violations import Violation, violations

COLUMNS = (
    *(
        "id",
        "name",
        "phase",
        "cerby_id",
        "scopes",
        "owner_id",
        "owner__role",
        "kind",
        "purpose",
        "team",
        "system",
        "orphan",
    ),
    *("backup_id", "review_on", "created_at", "created_known", "expires_at", "last_used_at", "use_read_at"),
    *("origin", "stored_at", "stored_in"),
)
"""The columns that ``policy_facts`` needs."""


def is_judged(columns: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the key is active, so that the policy is about it."""
    return bool(columns["phase"] == Phase.LIVE and columns["expires_at"] > now)


def violations_of(
    key: ApiKey, now: datetime, policy: Policy | None = None, counts: Mapping[int, int] | None = None
) -> list[Violation]:
    """Return the rules that ``key`` does not meet, or [] if it is not active."""
    policy = policy or policy_in_force()
    columns = {column: reduce(getattr, column.split("__"), key) for column in COLUMNS}
    known = owners_keys([key.owner_id], now, policy) if counts is None else counts
    return violations_in(columns, now, policy, known)


def facts_now(key: ApiKey, now: datetime, policy: Policy) -> Facts:
    """Return the facts about ``key`` with the values that the object has, stored or not."""
    columns = {column: reduce(getattr, column.split("__"), key) for column in COLUMNS}
    counts = owners_keys([key.owner_id], now, policy)
    is_orphan = key.accountable_id is None or key.accountable_left_at is not None
    return replace(policy_facts(columns, counts.get(key.owner_id, 0)), is_orphan=is_orphan)


def violations_in(
    columns: Mapping[str, Any], now: datetime, policy: Policy, counts: Mapping[int, int]
) -> list[Violation]:
    """Return the same from the values of ``COLUMNS``. ``counts``: the active keys of owners."""
    if not is_judged(columns, now):
        return []
    facts = policy_facts(columns, counts.get(columns["owner_id"], 0))
    return violations(policy, facts, now)


def excepted(keys: Iterable[UUID], now: datetime) -> set[tuple[UUID, str]]:
    """Return the exceptions in force of these keys, each as the key's id and the rule."""
    rows = PolicyException.in_force(now).filter(key__in=list(keys))
    return set(rows.values_list("key_id", "rule"))


def exceptions_of(key: ApiKey) -> list[PolicyException]:
    """Return the exceptions of a key that wait or are in force."""
    rows = PolicyException.objects.filter(key=key).select_related("asked_by", "decided_by")
    return [each for each in rows.order_by("asked_at") if each.state == "asked" or each.is_in_force]


def owners_keys(owners: Iterable[int], now: datetime, policy: Policy) -> dict[int, int]:
    """Return how many active keys each owner has, if ``policy`` asks for that."""
    if policy.rules[Name.KEYS].mode is Mode.OFF:
        return {}
    live = ApiKey.objects.filter(LISTED, owner__in=set(owners), phase=Phase.LIVE, expires_at__gt=now)
    return dict(live.order_by().values_list("owner_id").annotate(count=Count("id")))


def policy_facts(columns: Mapping[str, Any], owners: int = 0) -> Facts:
    """Return the facts. ``owners``: how many active keys its owner has."""
    created_at = columns["created_at"] if columns["created_known"] else None
    expires_at = columns["expires_at"]
    is_generated = columns["origin"] == ApiKey.Origin.GENERATED
    return Facts(
        scopes=tuple(columns["scopes"]),
        owner_role=columns["owner__role"],
        is_agent=columns["kind"] == ApiKey.Kind.AGENT,
        purpose=columns["purpose"],
        team=columns["team"],
        system=columns["system"],
        is_orphan=columns["orphan"] is not None,
        has_backup=columns["backup_id"] is not None,
        review_on=columns["review_on"],
        created_at=created_at,
        expires_at=None if expires_at == EXPIRY_NOT_KNOWN else expires_at,
        used_at=(columns["last_used_at"] or created_at) if _use_is_known(columns) else None,
        stored_in=columns["stored_in"] if is_generated and columns["stored_at"] else None,
        name=columns["name"],
        owners_keys=owners,
    )


def _use_is_known(columns: Mapping[str, Any]) -> bool:
    """Return whether Cerby or a person has told the portal when the key was last used."""
    is_listed = columns["cerby_id"] is not None and settings.CERBY_ISSUE_MODE != "assisted"
    return is_listed or columns["use_read_at"] is not None
