"""Read the facts about a key that the policy looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from django.conf import settings
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase
from keys.rules.policy.document import DEFAULT, Policy
from keys.rules.policy.facts import Facts
from keys.rules.policy.violations import Violation, violations

COLUMNS = (
    *("id", "phase", "cerby_id", "scopes", "owner__role", "kind", "purpose", "team", "system", "orphan"),
    *("backup_id", "review_on", "created_at", "created_known", "expires_at", "last_used_at", "use_read_at"),
    *("origin", "stored_at", "stored_in"),
)
"""The columns that ``policy_facts`` needs."""


def policy_in_force() -> Policy:
    return DEFAULT


def violations_of(key: ApiKey, now: datetime) -> list[Violation]:
    """Return the rules that ``key`` does not meet, or [] if it is not active."""
    return violations_in({column: reduce(getattr, column.split("__"), key) for column in COLUMNS}, now)


def violations_in(columns: Mapping[str, Any], now: datetime) -> list[Violation]:
    """Return the same from the values of ``COLUMNS``."""
    if columns["phase"] != Phase.LIVE or columns["expires_at"] <= now:
        return []
    return violations(policy_in_force(), policy_facts(columns), now, timezone.localdate(now))


def policy_facts(columns: Mapping[str, Any]) -> Facts:
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
    )


def _use_is_known(columns: Mapping[str, Any]) -> bool:
    """Return whether Cerby or a person has told the portal when the key was last used."""
    is_listed = columns["cerby_id"] is not None and settings.CERBY_ISSUE_MODE != "assisted"
    return is_listed or columns["use_read_at"] is not None
