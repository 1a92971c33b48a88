"""Return the portal's own state as a few lines for the dashboard. Add a function to add a line."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse

from keys.models import PeriodicJob
from keys.rules import formatting
from keys.selectors.compare.completeness import completeness, is_compared_by_hand
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.safeguards import active_quarantine
from keys.selectors.health.worker import (
    AWAY,
    JobState,
    WorkerState,
    in_words,
    job_rows,
    job_states,
    worker_state,
)
from keys.selectors.inventory.freshness import freshness


class HealthLine(NamedTuple):
    """``tone`` is ok, warning, or danger if something is broken. ``words`` describe the state."""

    name: str
    words: str
    tone: str
    url: str


def health_lines(now: datetime, audit: AuditHealth) -> list[HealthLine]:
    return [
        cerby_line(now),
        *web_app_lines(now),
        jobs_line(now),
        deletion_line(),
        audit_log_line(audit, now),
    ]


def cerby_line(now: datetime) -> HealthLine:
    if settings.CERBY_ISSUE_MODE == "assisted":
        return _people_line(now)
    inventory = freshness()
    when = formatting.relative(inventory.compared_at, now) if inventory.compared_at else "never"
    if inventory.problem:
        words, tone = f"Last compared {when}. {inventory.problem}", "danger"
    elif inventory.compared_at:
        words, tone = f"Compared {when}: {''.join(part.words for part in inventory.result)}.", "ok"
    else:
        words, tone = "The inventory has not been compared with Cerby yet.", "warning"
    return HealthLine("Cerby", words, tone, reverse("keys:inventory", query={"status": "live"}))


def _people_line(now: datetime) -> HealthLine:
    """Return the line of assisted mode, in which the portal reads nothing but people regularly."""
    job = PeriodicJob.objects.filter(name="people").first()
    read_at = job.succeeded_at if job else None
    when = formatting.relative(read_at, now) if read_at else "never"
    if job and job.succeeded is False:
        words, tone = f"Roles were last read {when}. {job.summary}", "danger"
    elif read_at:
        words, tone = f"Roles were read {when}. Cerby publishes no list of API keys.", "ok"
    else:
        words, tone = "Roles have not been read from Cerby yet.", "warning"
    return HealthLine("Cerby", words, tone, reverse("keys:roles"))


def web_app_lines(now: datetime) -> list[HealthLine]:
    """Return the line about comparisons by hand, if people make them."""
    if not is_compared_by_hand():
        return []
    found = completeness(now)
    tone = "warning" if found.due and settings.PORTAL_COMPARE_EVERY_DAYS else "ok"
    url = reverse("keys:compare")
    if found.due and settings.PORTAL_COMPARE_EVERY_DAYS:
        url = reverse("keys:inventory", query={"needs": "not-seen"})
    return [HealthLine("Cerby's web app", found.sentence(now), tone, url)]


def jobs_line(now: datetime) -> HealthLine:
    states = job_states(job_rows(), now)
    late = [name for name, state in states.items() if state is JobState.LATE]
    words, tone = "Every job ran on time.", "ok"
    if late:
        words, tone = f"Late: {in_words(late)}.", "danger"
        if worker_state() is WorkerState.AWAY:
            words = f"{AWAY}. Start it with “manage.py worker”."
    elif JobState.NOT_YET in states.values():
        words, tone = "The worker has just started. Not every job has run yet.", "warning"
    return HealthLine("Background jobs", words, tone, reverse("keys:health"))


def deletion_line() -> HealthLine:
    words, tone = "The portal deletes keys that were lost or never stored.", "ok"
    if settings.CERBY_ISSUE_MODE == "assisted":
        words = "None: people delete keys in Cerby's web app."
    if active_quarantine() is not None:
        words, tone = "Quarantine: no key is deleted automatically until a person has checked.", "danger"
    return HealthLine("Automatic deletion", words, tone, reverse("keys:health"))


def audit_log_line(audit: AuditHealth, now: datetime) -> HealthLine:
    signed = f", signed {formatting.relative(audit.signed_at, now)}" if audit.signed_at else ""
    verified = f", verified {formatting.relative(audit.verified_at, now)}" if audit.verified_at else ""
    words, tone = f"{audit.sealed:,} events sealed{signed}{verified}.", "ok"
    is_waiting = audit.status in {"late", "unsigned"} and settings.PORTAL_AUDIT_SIGNING_KEY
    if is_waiting and worker_state() is WorkerState.STARTING:
        words, tone = (
            "The worker has just started. Events that waited for it are being sealed and signed.",
            "warning",
        )
    elif audit.problem:
        words, tone = audit.problem, "danger"
    return HealthLine("Audit log", words, tone, reverse("keys:verification"))
