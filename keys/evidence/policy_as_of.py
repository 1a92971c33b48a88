"""The rules that were in force at a time, as the record has them: what roles may do, settings that decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.rules.policy import KeyManagement, matrix

Policy = dict[str, Any]


def in_force() -> Policy:
    """As this portal applies it: {"settings": …, "rules": action -> roles and conditions}."""
    management = KeyManagement(settings.PORTAL_KEY_MANAGEMENT)
    return {
        "settings": {
            "PORTAL_KEY_MANAGEMENT": management.value,
            "PORTAL_MAX_LIFETIME_DAYS": settings.PORTAL_MAX_LIFETIME_DAYS,
            "PORTAL_EXTRA_SCOPES": settings.PORTAL_EXTRA_SCOPES,
            "CERBY_ISSUE_MODE": settings.CERBY_ISSUE_MODE,
        },
        "rules": {
            action.value: {
                "roles": [role.label for role in sorted(rule.roles)],
                "own key": rule.own_key.name.lower().replace("_", " "),
                "as high as the key's owner": rule.at_least_key_owner,
                "role confirmed within a day": rule.fresh_role,
            }
            for action, rule in matrix(management).items()
        },
    }


def note_policy() -> bool:
    """Record the rules in force, unless the record has them already. Returns whether they are new."""
    now = in_force()
    with transaction.atomic():
        if _recorded() == now:
            return False
        log.append(Event.POLICY_APPLIED, actor=None, **now)
    return True


def policy_as_of(as_of: datetime) -> tuple[Policy | None, datetime | None]:
    """What the newest event up to then says, and since when that was in force; None where none says it."""
    row = _events().filter(at__lte=as_of).values_list("details", "at").first()
    return row or (None, None)


def _recorded() -> Policy | None:
    found: Policy | None = _events().values_list("details", flat=True).first()
    return found


def _events() -> Any:
    return AuditEvent.objects.filter(type=Event.POLICY_APPLIED).order_by("-at", "-id")
