"""Whether the portal itself is well, as a few lines for the dashboard. A new line is a new function here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from keys.rules import formatting
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.safeguards import quarantine_on
from keys.selectors.inventory.freshness import freshness


class HealthLine(NamedTuple):
    """``tone`` is ok, warning, or danger: then something is broken, and ``words`` say what."""

    name: str
    words: str
    tone: str
    url: str


def health_lines(now: datetime, audit: AuditHealth, late_jobs: Sequence[str]) -> list[HealthLine]:
    return [in_step_with_cerby(now), background_work(late_jobs), revoking(), the_record(audit, now)]


def in_step_with_cerby(now: datetime) -> HealthLine:
    found = freshness()
    when = formatting.relative(found.compared_at, now) if found.compared_at else "never"
    if found.trouble:
        words, tone = f"Last compared {when}. {found.trouble}", "danger"
    elif found.compared_at:
        words, tone = f"Compared {when}: {found.found}.", "ok"
    else:
        words, tone = "The inventory has not been compared with Cerby yet.", "warning"
    return HealthLine("Cerby", words, tone, reverse("keys:inventory"))


def background_work(late_jobs: Sequence[str]) -> HealthLine:
    """``late_jobs`` are names; none is the best."""
    words = f"Late: {', '.join(late_jobs)}. Is the worker running?" if late_jobs else "Every job ran on time."
    return HealthLine("Background jobs", words, "danger" if late_jobs else "ok", reverse("keys:health"))


def revoking() -> HealthLine:
    words, tone = "The portal revokes by itself what should not live.", "ok"
    if quarantine_on() is not None:
        words, tone = "Quarantine: nothing is revoked until somebody has looked.", "danger"
    return HealthLine("Revoking", words, tone, reverse("keys:health"))


def the_record(found: AuditHealth, now: datetime) -> HealthLine:
    signed = f", signed {formatting.relative(found.signed_at, now)}" if found.signed_at else ""
    verified = f", verified {formatting.relative(found.verified_at, now)}" if found.verified_at else ""
    words, tone = f"{found.sealed:,} events sealed{signed}{verified}.", "ok"
    if found.problem:
        words, tone = found.problem, "danger"
    return HealthLine("Audit log", words, tone, reverse("keys:verification"))
