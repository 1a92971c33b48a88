"""What is wrong with the portal at this moment and wants a person: a few indexed queries at any size."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import Alert, ApiKey, AuditEvent, PeriodicJob, Quarantine
from keys.rules.events import ASKED_ELSEWHERE, Event
from keys.rules.lifecycle import QUICK_RETRIES, State
from keys.rules.policy import Action, Actor
from keys.selectors.health.anchors import anchors_health
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.safeguards import quarantine_on
from keys.selectors.health.siem import siem_health

AT_MOST = 20
"""Of each kind: whoever has twenty stuck removals is not helped by the twenty-first."""
TOLD_FOR = timedelta(hours=24)
"""A second view is a moment and not a state: it is shown for a day."""
LATE_AFTER_PERIODS = 3


class AlertKind(enum.StrEnum):
    QUARANTINE = "quarantine"
    SWEEP_STOPPED = "sweep-stopped"
    PEOPLE_STOPPED = "people-stopped"
    SECOND_VIEW = "second-view"
    REMOVAL_STUCK = "removal-stuck"
    CERBY_AWAY = "cerby-away"
    JOB_LATE = "job-late"
    AUDIT_LOG = "audit-log"
    RECORD_DAMAGED = "record-damaged"
    RECORD_UNREAD = "record-unread"
    ANCHOR_FAILS = "anchor-fails"
    SIEM_FAILS = "siem-fails"

    @property
    def heading(self) -> str:
        return _TITLES[self]


SHOWN_BY_THEMSELVES = frozenset(
    {AlertKind.QUARANTINE, AlertKind.SWEEP_STOPPED, AlertKind.AUDIT_LOG, AlertKind.RECORD_DAMAGED}
)
"""The Health page has a section for each of these."""

_TITLES = {
    AlertKind.QUARANTINE: "The quarantine is on",
    AlertKind.SWEEP_STOPPED: "The sweep stopped",
    AlertKind.PEOPLE_STOPPED: "Reading roles from Cerby stopped",
    AlertKind.SECOND_VIEW: "Somebody else tried to view an API key",
    AlertKind.REMOVAL_STUCK: "An API key that should be gone may still work",
    AlertKind.CERBY_AWAY: "Cerby cannot be compared with",
    AlertKind.JOB_LATE: "A background job does not run",
    AlertKind.AUDIT_LOG: "The audit log needs attention",
    AlertKind.RECORD_DAMAGED: "The record of what happened is damaged",
    AlertKind.RECORD_UNREAD: "The record of what happened could not be verified",
    AlertKind.ANCHOR_FAILS: "An anchor takes no checkpoint",
    AlertKind.SIEM_FAILS: "A SIEM takes no events",
}


@dataclass(frozen=True)
class ActiveAlert:
    """``words`` say what is wrong, ``advice`` what to do; ``path`` is the page on which to do it."""

    kind: AlertKind
    subject: str
    words: str
    advice: str
    path: str

    @property
    def heading(self) -> str:
        return self.kind.heading


@dataclass(frozen=True)
class ShownAlert:
    """``since`` is None for what the background job has not seen yet."""

    trouble: ActiveAlert
    since: datetime | None


def alerts_shown(
    actor: Actor, audit: AuditHealth, *, besides: Collection[AlertKind] = ()
) -> list[ShownAlert]:
    """What is wrong now ``besides`` what the page shows anyway, gravest first. Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_CONFIGURATION)
    since = {(row.kind, row.subject): row.since for row in Alert.objects.filter(until__isnull=True)}
    found = [trouble for trouble in active_alerts(timezone.now(), audit) if trouble.kind not in besides]
    return [ShownAlert(trouble, since.get((trouble.kind, trouble.subject))) for trouble in found]


def active_alerts(now: datetime, audit: AuditHealth) -> list[ActiveAlert]:
    jobs = {row.name: row for row in PeriodicJob.objects.all()}
    return [
        *_record(audit),
        *_quarantine(),
        *_people_stopped(jobs.get("people")),
        *_second_views(now),
        *_stuck_removals(),
        *_cerby_away(jobs.get("sweep")),
        *_late(jobs, now),
        *_audit_log(audit),
        *_anchors(),
        *_siem(),
    ]


def is_overdue(finished_at: datetime, every: timedelta, now: datetime) -> bool:
    """Return whether no run of a job has finished for three of its periods."""
    return now - finished_at > every * LATE_AFTER_PERIODS


def _quarantine() -> Iterator[ActiveAlert]:
    found = quarantine_on()
    if found is not None:
        stopped = found.cause == Quarantine.Cause.TOO_MANY
        yield ActiveAlert(
            kind=AlertKind.SWEEP_STOPPED if stopped else AlertKind.QUARANTINE,
            subject="",
            words=f"The portal revokes nothing by itself. {found.reason}",
            advice="Look at the keys that are held back, keep what is in use, then end the quarantine.",
            path=reverse("keys:health"),
        )


def _people_stopped(job: PeriodicJob | None) -> Iterator[ActiveAlert]:
    stopped = AuditEvent.objects.filter(type=Event.PEOPLE_STOPPED).order_by("-at", "-id").first()
    if stopped is None or (job and job.succeeded_at and job.succeeded_at > stopped.at):
        return
    yield ActiveAlert(
        kind=AlertKind.PEOPLE_STOPPED,
        subject="",
        words=stopped.reason,
        advice="Look at the list of people in Cerby.",
        path=reverse("keys:roles"),
    )


def _second_views(now: datetime) -> Iterator[ActiveAlert]:
    attempts = AuditEvent.objects.filter(
        type=Event.KEY_REVEALED,
        outcome=AuditEvent.Outcome.REFUSED,
        at__gte=now - TOLD_FOR,
        reason__endswith=ASKED_ELSEWHERE,
    )
    latest = {event.key_id: event for event in attempts.order_by("at", "id")[: 5 * AT_MOST]}
    for event in list(latest.values())[:AT_MOST]:
        yield ActiveAlert(
            kind=AlertKind.SECOND_VIEW,
            subject=str(event.key_id),
            words=f"“{event.key_name}” had been viewed, and was asked for again from another session.",
            advice="Ask its owner whether both were them. If not, delete the key now.",
            path=reverse("keys:key", args=[event.key_id]),
        )


def _stuck_removals() -> Iterator[ActiveAlert]:
    stuck = ApiKey.objects.filter(due_at__isnull=False, state=State.REVOKING, attempts__gte=QUICK_RETRIES)
    for key in stuck.order_by("due_at")[:AT_MOST]:
        yield ActiveAlert(
            kind=AlertKind.REMOVAL_STUCK,
            subject=str(key.pk),
            words=f"Cerby has not confirmed that “{key.name}” is removed, after {QUICK_RETRIES} attempts or "
            "more. It is tried again every hour.",
            advice="Delete the key in Cerby's web app.",
            path=reverse("keys:key", args=[key.pk]),
        )


def _cerby_away(sweep: PeriodicJob | None) -> Iterator[ActiveAlert]:
    if sweep is not None and sweep.succeeded is False:
        yield ActiveAlert(
            kind=AlertKind.CERBY_AWAY,
            subject="",
            words=sweep.summary,
            advice="Look whether Cerby answers, and whether the portal's credentials are still valid there.",
            path=reverse("keys:health"),
        )


def _record(audit: AuditHealth) -> Iterator[ActiveAlert]:
    """Each kind of damage is a trouble of its own, so that another one is told as well."""
    path = reverse("keys:verification")
    for name in audit.damage:
        yield ActiveAlert(
            kind=AlertKind.RECORD_DAMAGED,
            subject=name[:64],
            words=f"The last verification found {name}.",
            advice="Change nothing, and follow docs/operations.md, “The record is damaged”. Then say what "
            "came of it, on the same page.",
            path=path,
        )
    if audit.unread:
        yield ActiveAlert(
            kind=AlertKind.RECORD_UNREAD,
            subject="",
            words=audit.unread,
            advice="Look at the worker's log, then verify the record again.",
            path=path,
        )


def _audit_log(found: AuditHealth) -> Iterator[ActiveAlert]:
    if found.problem and found.status not in {"damaged", "unread"}:
        yield ActiveAlert(
            kind=AlertKind.AUDIT_LOG,
            subject=found.status,
            words=found.problem,
            advice="Look at the audit log's figures on the Health page, and at the worker's log.",
            path=reverse("keys:health"),
        )


def _anchors() -> Iterator[ActiveAlert]:
    for anchor in anchors_health():
        if anchor.failing_since:
            yield ActiveAlert(
                kind=AlertKind.ANCHOR_FAILS,
                subject=anchor.name,
                words=f"The anchor “{anchor.name}” does not take what the portal signs. {anchor.failure}",
                advice="Repair that end, or its setting. Nothing is lost: it takes the next checkpoint.",
                path=reverse("keys:health"),
            )


def _siem() -> Iterator[ActiveAlert]:
    for target in siem_health():
        if target.failing_since:
            yield ActiveAlert(
                kind=AlertKind.SIEM_FAILS,
                subject=target.name,
                words=f"The SIEM by {target.name} lags by {target.behind:,} events. {target.failure}",
                advice="Repair that end, or its setting. Nothing is lost: it goes on where it stopped.",
                path=reverse("keys:health"),
            )


def _late(jobs: dict[str, PeriodicJob], now: datetime) -> Iterator[ActiveAlert]:
    for name, row in jobs.items():
        if row.every and row.finished_at and is_overdue(row.finished_at, row.every, now):
            yield ActiveAlert(
                kind=AlertKind.JOB_LATE,
                subject=name,
                words=f"No run of the job “{name}” has finished for three of its periods.",
                advice="Look at the worker's log; if no worker runs, start one.",
                path=reverse("keys:health"),
            )
