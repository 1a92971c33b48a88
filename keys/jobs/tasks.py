"""Define the background jobs as tasks. None takes or returns a secret, and none raises an error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from keys.actions.audit.verify import carry_out, verify_daily
from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.bulk.freeze import forget_old_selections
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.leavers.assign import assign_tasks
from keys.actions.lineage.advance import advance_all, advance_due
from keys.actions.notifications.deliver import deliver_due
from keys.actions.notifications.forget_old import forget_old_notifications, has_old_notifications
from keys.actions.people.copies import update_due_copies
from keys.actions.people.refresh_all import read_everyone
from keys.actions.people.throttle import forget_old
from keys.actions.policy.find import find_outside
from keys.actions.reach.count import count_reach
from keys.actions.requests.review import escalate_requests
from keys.actions.reviews.keep_going import keep_reviews_going
from keys.actions.rotation_tasks.assign import keep_rotation_tasks
from keys.actions.safeguards.quarantine import end_silence, silent_since
from keys.actions.safeguards.rollback_guard import check_for_rollback
from keys.actions.sso.begin import forget_old_requests
from keys.actions.sync.sweep import sweep as compare_with_cerby
from keys.audit import anchors, refusals
from keys.jobs.alerts import keep_alerts
from keys.jobs.compare_reminder import remind_admins_to_compare
from keys.jobs.deletions import tell_of_deletions
from keys.jobs.figures import keep_figures
from keys.jobs.reminders import remind_owners
from keys.models import PeriodicJob, Session, Verification
from keys.rules.errors import PortalError
from keys.selectors.bulk.selection import running_lists
from keys.selectors.inventory.freshness import NOTHING_TO_COMPARE
from keys.siem.stream import stream

SLOW, BULK, VERIFICATION, REACH, DELIVERIES = "slow", "bulk", "verification", "reach", "deliveries"
"""Queues beside "default", whose jobs must be quick.

Other servers and long counts can delay jobs on "slow"; bulk actions and verifications take minutes, and the
count of what people own in Cerby takes four calls for each of them. The receivers of notifications delay only
each other.
"""
RESULTS_KEPT_FOR = timedelta(hours=1)
SESSIONS_KEPT_FOR = timedelta(days=7)

logger = structlog.get_logger(__name__)


@task
def reconcile() -> None:
    _run("reconcile", _reconcile)


@task
def sweep() -> None:
    _run("sweep", _sweep)


@task(queue_name=BULK)
def bulk_action(selection_id: str) -> None:
    carry_out_bulk(UUID(selection_id))


@task
def bulk() -> None:
    _run("bulk", _continue_bulk)


@task(queue_name=VERIFICATION)
def verify_record(verification_id: int) -> None:
    carry_out(Verification.objects.get(pk=verification_id))


@task(queue_name=VERIFICATION)
def verify() -> None:
    _run("verify", verify_daily)


@task(queue_name=SLOW)
def anchor() -> None:
    _run("anchor", lambda: anchors.deliver(timezone.now()))


@task(queue_name=SLOW)
def siem() -> None:
    _run("siem", stream)


@task
def count_refusals() -> None:
    _run("refusals", lambda: f"Events recorded: {refusals.record_waiting()}")


@task
def tidy() -> None:
    _run("tidy", _tidy)


@task(queue_name=SLOW)
def alerts() -> None:
    _run("alerts", lambda: f"{keep_alerts()}; {tell_of_deletions()}")


@task(queue_name=SLOW)
def reminders() -> None:
    _run("reminders", lambda: f"{remind_owners()}; {remind_admins_to_compare()}; {escalate_requests()}")


@task(queue_name=DELIVERIES)
def deliveries() -> None:
    _run("deliveries", deliver_due)


@task
def people() -> None:
    _run("people", lambda: f"People read from Cerby: {read_everyone()}")


@task
def leavers() -> None:
    _run("leavers", lambda: f"{update_due_copies()}; {assign_tasks()}; {keep_rotation_tasks()}")


@task(queue_name=REACH)
def reach() -> None:
    _run("reach", count_reach)


@task(queue_name=SLOW)
def findings() -> None:
    _run("findings", find_outside)


@task(queue_name=BULK)
def reviews() -> None:
    _run("reviews", keep_reviews_going)


@task(queue_name=SLOW)
def figures() -> None:
    _run("figures", keep_figures)


@task(queue_name=SLOW)
def forget_notifications() -> None:
    forget_old_notifications()


def _reconcile() -> str:
    check_for_rollback()
    return f"Keys checked: {reconcile_due()}; steps of rotations: {advance_due()}"


def _sweep() -> str:
    """Compare with Cerby. In assisted mode, Cerby publishes no list of keys to compare with."""
    check_for_rollback()
    if settings.CERBY_ISSUE_MODE == "assisted":
        end_silence(silent_since())
        advance_all()
        return NOTHING_TO_COMPARE
    result = str(compare_with_cerby())
    advance_all()
    return result


def _continue_bulk() -> str:
    """Enqueue the running bulk actions, such as after a restart. One that a worker works on loses nothing."""
    waiting = DBTaskResult.objects.ready().filter(queue_name=BULK).exists()
    lists = [] if waiting else running_lists()
    for selection_id in lists:
        bulk_action.enqueue(str(selection_id))
    return f"Bulk actions running: {len(lists)}"


def _tidy() -> str:
    """Delete sessions that expired a week ago, old counts of wrong passwords, old task results
    and visits to the sign-in provider from which nobody came back.

    Until then, the row of a session says whose input a form has that was open when the session expired.
    """
    now = timezone.now()
    sessions, _ = Session.objects.filter(expire_date__lt=now - SESSIONS_KEPT_FOR).delete()
    forget_old()
    forget_old_selections()
    forget_old_requests()
    if has_old_notifications():
        forget_notifications.enqueue()  # may take a while, so on another queue
    results, _ = DBTaskResult.objects.filter(enqueued_at__lt=now - RESULTS_KEPT_FOR).delete()
    return f"Sessions removed: {sessions}; task results: {results}"


def _run(name: str, job: Callable[[], str]) -> None:
    """Run ``job`` and record the outcome for the Health page."""
    rows = PeriodicJob.objects.filter(name=name)
    rows.update(started_at=timezone.now())
    succeeded, summary = False, "It failed; the log shows where."
    try:
        summary, succeeded = job(), True
    except PortalError as error:
        summary = error.sentence
    except Exception:
        logger.exception("job_failed", job=name)
    finally:
        now = timezone.now()
        rows.update(finished_at=now, succeeded=succeeded, summary=summary[:500], waiting_since=None)
        if succeeded:
            rows.update(succeeded_at=now)
