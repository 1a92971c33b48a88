"""Recover from a crash: run the worker's reconciler and sweep while the clock advances in steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from keys.actions.keys.reconcile import reconcile_due
from keys.actions.safeguards.rollback_guard import SILENCE
from keys.actions.sync.compare import SweepResult
from keys.actions.sync.sweep import sweep
from keys.jobs.node import Heartbeat
from keys.jobs.schedule import JOBS
from keys.models import ApiKey
from keys.rules.errors import CerbyError
from tests.crashwalk.clock import Clock
from tests.crashwalk.fleet import ControlPort
from tests.crashwalk.sandbox_process import SandboxProcess

SOON = timedelta(hours=2)
"""A longer timer counts as rest: a viewed key waits 72 hours, a paste 24."""

SWEEP_EVERY = JOBS["sweep"].every
RECONCILERS_PACE = JOBS["reconcile"].every
SLOWEST_PACE = timedelta(minutes=2)
BEATS_EVERY = SILENCE / 2
"""A real worker's heart beats every second; after a silence, the portal revokes nothing before the next sweep."""
AT_MOST = 100  # steps


def recover(
    sandbox: SandboxProcess | ControlPort, clock: Clock, *, reconciles: bool = True, sweeps: bool = True
) -> timedelta | None:
    """Run the worker's jobs until everything is at rest. Return how long that took, or None if it never is.

    ``reconciles`` or ``sweeps`` is False for a portal that lacks one of the two.
    """
    began, pace = timezone.now(), RECONCILERS_PACE
    next_sweep, calm = began, 0
    heartbeat = Heartbeat()
    heartbeat.beat()
    for _ in range(AT_MOST):
        if reconciles and reconcile_due():
            calm = 0
        if timezone.now() >= next_sweep:
            next_sweep += SWEEP_EVERY
            calm = calm + 1 if _is_calm(_swept() if sweeps else None, sweeps=sweeps) else 0
        if calm > 1 and _next_due() is None and not sandbox.has_late_work():
            return timezone.now() - began
        due = _next_due()
        # The steps grow, so that a long wait takes few of them. A real worker may be late, too.
        _go_on(clock, heartbeat, min(next_sweep, max(due, timezone.now() + pace)) if due else next_sweep)
        pace = min(2 * pace, SLOWEST_PACE)
    return None


def _go_on(clock: Clock, heartbeat: Heartbeat, until: datetime) -> None:
    """Set the clock to ``until``, with the heartbeats of the time between."""
    while timezone.now() + BEATS_EVERY < until:
        clock.step(BEATS_EVERY)
        heartbeat.beat()
    clock.set(until)
    heartbeat.beat()


def _swept() -> SweepResult | None:
    try:
        return sweep()
    except CerbyError:
        return None


def _is_calm(found: SweepResult | None, *, sweeps: bool) -> bool:
    if found is None:
        return not sweeps
    return not (found.discovered or found.changed or found.missing or found.revoked or found.quarantined)


def _next_due() -> Any:
    return (
        ApiKey.objects.filter(due_at__lte=timezone.now() + SOON)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
