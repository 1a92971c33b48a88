"""Find the problems with the portal that need a person, with a few indexed queries at any size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from keys.audit.explanations import damage_in_words
from keys.audit.guard import authorize
from keys.models import Alert, ApiKey, AuditEvent, PeriodicJob, Quarantine
from keys.rules.events import ASKED_ELSEWHERE, Event
from keys.rules.formatting import in_utc
from keys.rules.leaving import RED_AFTER
from keys.rules.lifecycle import QUICK_RETRIES, State
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.permissions import Action, Actor
from keys.rules.visible import named
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind
from keys.selectors.health.anchors import anchors_health
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.cerby_alerts import cerby_alerts
from keys.selectors.health.mail_alerts import mail_alerts
from keys.selectors.health.rotation_alerts import rotation_alerts
from keys.selectors.health.safeguards import active_quarantine
from keys.selectors.health.siem import siem_health
from keys.selectors.health.worker import (
    JobState,
    WorkerState,
    in_words,
    job_rows,
    job_states,
    missed_jobs,
    worker_state,
)
from keys.selectors.leavers.page import red_plans

MOST_PER_KIND = 20
SECOND_VIEW_SHOWN_FOR = timedelta(hours=24)
"""A second view is an event without an end, so its alert ends after a day."""
BREAK_GLASS_SHOWN_FOR = timedelta(hours=24)
"""A use of a password is an event without an end, so its alert ends after a day."""
REPAIR_SHOWN_FOR = timedelta(hours=24)
"""A repair is an event without an end, so its alert ends after a day."""

SHOWN_IN_SECTIONS = frozenset(
    {AlertKind.QUARANTINE, AlertKind.SWEEP_STOPPED, AlertKind.AUDIT_LOG, AlertKind.RECORD_DAMAGED}
)
"""The Health page has sections for these, so it doesn't list them among its alerts."""


@dataclass(frozen=True)
class ShownAlert:
    """``since`` is None if the background job has not recorded the alert yet."""

    alert: ActiveAlert
    since: datetime | None


def alerts_shown(
    actor: Actor, audit: AuditHealth, *, exclude: Collection[AlertKind] = ()
) -> list[ShownAlert]:
    """Return the active alerts, except kinds in ``exclude``, most serious first. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_CONFIGURATION)
    since = {(row.kind, row.subject): row.since for row in Alert.objects.filter(until__isnull=True)}
    alerts = [alert for alert in active_alerts(timezone.now(), audit) if alert.kind not in exclude]
    return [ShownAlert(alert, since.get((alert.kind, alert.subject))) for alert in alerts]


def active_alerts(now: datetime, audit: AuditHealth) -> list[ActiveAlert]:
    jobs = job_rows()
    states = job_states(jobs, now)
    worker = WorkerState.RUNNING if {*states.values()} == {JobState.ON_TIME} else worker_state()
    missed = missed_jobs(jobs, states, worker)
    of_cerby = cerby_alerts(now)
    return [
        *_record(audit),
        *_repaired_rows(now),
        *_quarantine(),
        *_people_stopped(jobs.get("people")),
        *_second_views(now),
        *_break_glass(now),
        *_stuck_removals(),
        *rotation_alerts(),
        *_late_decisions(now),
        *_cerby_away(jobs, of_cerby),
        *of_cerby,
        *_late(missed, worker),
        *_audit_log(audit, worker if missed or worker is WorkerState.STARTING else WorkerState.RUNNING),
        *_anchors(),
        *_siem(),
        *mail_alerts(now),
    ]


def _quarantine() -> Iterator[ActiveAlert]:
    quarantine = active_quarantine()
    if quarantine is not None:
        stopped = quarantine.cause == Quarantine.Cause.TOO_MANY
        yield ActiveAlert(
            kind=AlertKind.SWEEP_STOPPED if stopped else AlertKind.QUARANTINE,
            subject="",
            words=f"The portal does not delete keys automatically. {quarantine.reason}",
            advice="Check the keys that are held back, keep those that are in use, then end the quarantine.",
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
        advice="Check the list of people in Cerby.",
        path=reverse("keys:roles"),
    )


def _second_views(now: datetime) -> Iterator[ActiveAlert]:
    attempts = AuditEvent.objects.filter(
        type=Event.KEY_REVEALED,
        outcome=AuditEvent.Outcome.REFUSED,
        at__gte=now - SECOND_VIEW_SHOWN_FOR,
        reason__endswith=ASKED_ELSEWHERE,
    )
    latest = {event.key_id: event for event in attempts.order_by("at", "id")[: 5 * MOST_PER_KIND]}
    for event in list(latest.values())[:MOST_PER_KIND]:
        yield ActiveAlert(
            kind=AlertKind.SECOND_VIEW,
            subject=str(event.key_id),
            words=f"“{named(event.key_name)}” had been viewed, and another session tried to view it again.",
            advice="Ask its owner whether they made both attempts. If not, delete the key now.",
            path=reverse("keys:key", args=[event.key_id]),
        )


def _break_glass(now: datetime) -> Iterator[ActiveAlert]:
    if settings.PORTAL_PASSWORD_SIGN_IN != PasswordSignIn.BREAK_GLASS:
        return
    uses = AuditEvent.objects.filter(type=Event.BREAK_GLASS_USED, at__gte=now - BREAK_GLASS_SHOWN_FOR)
    for event in uses.order_by("-at", "-id")[:MOST_PER_KIND]:
        yield ActiveAlert(
            kind=AlertKind.BREAK_GLASS,
            subject=str(event.uid),
            words=f"{event.actor_name} used their password, which is for emergencies, on {in_utc(event.at)}.",
            advice="Ask them why. If it was not them, end their sessions and let them set a new password.",
            path=reverse("keys:event", args=[event.uid]),
        )


def _stuck_removals() -> Iterator[ActiveAlert]:
    stuck = ApiKey.objects.filter(due_at__isnull=False, state=State.REVOKING, attempts__gte=QUICK_RETRIES)
    for key in stuck.order_by("due_at")[:MOST_PER_KIND]:
        yield ActiveAlert(
            kind=AlertKind.REMOVAL_STUCK,
            subject=str(key.pk),
            words=f"Cerby has not confirmed that “{key}” is removed after at least {QUICK_RETRIES} "
            "attempts. The portal tries again every hour.",
            advice="Delete the key in Cerby's web app.",
            path=reverse("keys:key", args=[key.pk]),
        )


def _late_decisions(now: datetime) -> Iterator[ActiveAlert]:
    late = red_plans(now)
    if count := bounded_count(late):
        keys = "An API key has" if count == 1 else f"{count_label(count)} API keys have"
        yield ActiveAlert(
            kind=AlertKind.LEAVER_LATE,
            subject="",
            words=f"{keys} waited for a plan for {RED_AFTER.days} days or more. Their owners have left.",
            advice="Plan each of these keys: rotate it, remove it, or keep it until a date.",
            path=reverse("keys:inventory", query={"needs": "leaver-late"}),
        )


def _cerby_away(jobs: dict[str, PeriodicJob], others: Sequence[ActiveAlert]) -> Iterator[ActiveAlert]:
    """Yield an alert if the last regular read failed: of the keys, or in assisted mode of the people.

    A refused credential has an alert already, which says more.
    """
    is_assisted = settings.CERBY_ISSUE_MODE == "assisted"
    job = jobs.get("people" if is_assisted else "sweep")
    is_refused = any(one.kind == AlertKind.CREDENTIAL_REFUSED for one in others)
    if job is not None and job.succeeded is False and not (is_refused and "401" in job.summary):
        yield ActiveAlert(
            kind=AlertKind.CERBY_AWAY,
            subject="",
            words=job.summary,
            advice="Check that Cerby answers, and that the portal's credentials are still valid.",
            path=reverse("keys:health"),
        )


def _record(audit: AuditHealth) -> Iterator[ActiveAlert]:
    """Yield one alert per kind of damage, so that new damage sends a new mail."""
    path = reverse("keys:verification")
    for name in audit.damage:
        yield ActiveAlert(
            kind=AlertKind.RECORD_DAMAGED,
            subject=name[:64],
            words=f"The last verification found damage. {damage_in_words(name)}",
            advice="Change nothing, and follow the steps in the help. Then explain the damage on this page.",
            path=path,
            help=f"{reverse('keys:help-page', args=['operations'])}#the-audit-log-is-damaged",
        )
    if audit.unread:
        yield ActiveAlert(
            kind=AlertKind.RECORD_UNREAD,
            subject="",
            words=audit.unread,
            advice="Check the worker's log, then verify the audit log again.",
            path=path,
        )


def _repaired_rows(now: datetime) -> Iterator[ActiveAlert]:
    """Yield one alert for each repair of the last day, and for each row that could not be restored."""
    repairs = AuditEvent.objects.filter(
        type__in=[Event.KEY_REPAIRED, Event.PERSON_REPAIRED], at__gte=now - REPAIR_SHOWN_FOR
    )
    for event in repairs.order_by("-at", "-id")[:MOST_PER_KIND]:
        row = f"the API key “{named(event.key_name)}”" if event.key_id else "a person"
        restored = "It was restored." if event.outcome == AuditEvent.Outcome.DONE else event.reason
        yield ActiveAlert(
            kind=AlertKind.ROW_REPAIRED,
            subject=str(event.uid),
            words=f"The row of {row} contradicted the audit log. {restored}",
            advice="Find out who wrote to the database; this event has the values before and after. Then "
            "verify the audit log.",
            path=reverse("keys:event", args=[event.uid]),
        )


def _audit_log(audit: AuditHealth, worker: WorkerState) -> Iterator[ActiveAlert]:
    """Yield an alert, unless only the worker is missing, which seals and signs."""
    if worker is not WorkerState.RUNNING and audit.status in {"late", "unsigned"}:
        return
    if audit.problem and audit.status not in {"damaged", "unread"}:
        yield ActiveAlert(
            kind=AlertKind.AUDIT_LOG,
            subject=audit.status,
            words=audit.problem,
            advice="Check the audit log's figures on the Health page, and the worker's log.",
            path=reverse("keys:health"),
        )


def _anchors() -> Iterator[ActiveAlert]:
    for anchor in anchors_health():
        if anchor.failing_since:
            yield ActiveAlert(
                kind=AlertKind.ANCHOR_FAILS,
                subject=anchor.name,
                words=f"The anchor “{anchor.name}” does not accept checkpoints. {anchor.failure}",
                advice="Repair the anchor or its setting. Nothing is lost: it gets the next checkpoint.",
                path=reverse("keys:health"),
            )


def _siem() -> Iterator[ActiveAlert]:
    for target in siem_health():
        if target.failing_since:
            yield ActiveAlert(
                kind=AlertKind.SIEM_FAILS,
                subject=target.name,
                words=f"The SIEM “{target.name}” is {target.behind:,} events behind. {target.failure}",
                advice="Repair the SIEM or its setting. Nothing is lost: it gets all events since then.",
                path=reverse("keys:health"),
            )


def _late(names: Sequence[str], worker: WorkerState) -> Iterator[ActiveAlert]:
    """Yield one alert for all late jobs, because one cause delays them."""
    if names and worker is WorkerState.AWAY:
        yield ActiveAlert(
            kind=AlertKind.WORKER_AWAY,
            subject="",
            words="Nothing is done in the background: no timer ends, nothing is compared with Cerby, and no "
            "event is sealed.",
            advice="Start it with “manage.py worker”. If it ends again, look at its log.",
            path=reverse("keys:health"),
        )
    elif names:
        yield ActiveAlert(
            kind=AlertKind.JOB_LATE,
            subject="",
            words=f"The worker runs, but this has not been done for three periods: {in_words(names)}.",
            advice="Look at the worker's log. If it does not go on, restart the worker.",
            path=reverse("keys:health"),
        )
