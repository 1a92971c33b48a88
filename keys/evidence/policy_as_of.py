"""Record the rules in force (what each role may do, and the settings) and look up those of a past time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.rules.permissions import KeyManagement, OwnKey, Rule, matrix

Policy = dict[str, Any]


def in_force() -> Policy:
    """Return the present policy: {"settings": …, "rules": action -> roles and conditions}."""
    management = KeyManagement(settings.PORTAL_KEY_MANAGEMENT)
    return {
        "settings": {
            "PORTAL_KEY_MANAGEMENT": management.value,
            "PORTAL_MAX_LIFETIME_DAYS": settings.PORTAL_MAX_LIFETIME_DAYS,
            "PORTAL_MFA_REQUIRED": settings.PORTAL_MFA_REQUIRED,
            "PORTAL_MFA_GRACE_DAYS": settings.PORTAL_MFA_GRACE_DAYS,
            "PORTAL_EXTRA_SCOPES": settings.PORTAL_EXTRA_SCOPES,
            "CERBY_ISSUE_MODE": settings.CERBY_ISSUE_MODE,
        },
        "rules": {
            action.value: {
                "roles": [role.label for role in sorted(rule.roles)],
                **_conditions(rule),
            }
            for action, rule in matrix(management).items()
        },
    }


def _conditions(rule: Rule) -> dict[str, Any]:
    """Return the conditions of ``rule``. Those that it lacks are left out: an event has little room."""
    own_key = "" if rule.own_key is OwnKey.DOES_NOT_MATTER else rule.own_key.name.lower().replace("_", " ")
    conditions = {
        "own key": own_key,
        "as high as the key's owner": rule.at_least_key_owner,
        "role confirmed within a minute": rule.fresh_role,
        "as high as the person's": rule.at_least_person,
        "not oneself": rule.not_oneself,
        "accountable": rule.accountable,
        "backup": rule.backup,
    }
    return {name: value for name, value in conditions.items() if value}


def note_policy() -> bool:
    """Record the present policy if it differs from the last recorded one. Return whether it did."""
    present = in_force()
    with transaction.atomic():
        if _last_recorded() == present:
            return False
        log.append(Event.POLICY_APPLIED, actor=None, **present)
    return True


def policy_as_of(as_of: datetime) -> tuple[Policy | None, datetime | None]:
    """Return the policy at that time and when it was recorded, or None and None if none was."""
    row = _events().filter(at__lte=as_of).values_list("details", "at").first()
    return row or (None, None)


def _last_recorded() -> Policy | None:
    found: Policy | None = _events().values_list("details", flat=True).first()
    return found


def _events() -> Any:
    return AuditEvent.objects.filter(type=Event.POLICY_APPLIED).order_by("-at", "-id")
