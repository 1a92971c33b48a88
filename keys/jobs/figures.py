"""Keep the figures of the dashboard's charts, and spend no more than a small part of the time on it."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from keys.models import DashboardFigures
from keys.selectors.dashboard.figures import count_figures

REST = 30
"""After counting for a second, so many seconds without: at most some 3 % of one core, at any size."""


def keep_figures() -> str:
    """Count everything anew, unless that took so long the last time that it is too early. Says which."""
    now = timezone.now()
    kept = DashboardFigures.objects.first()
    if kept and timedelta() <= now - kept.as_of < timedelta(seconds=REST * kept.seconds):
        return f"Counted in {kept.seconds:.1f} s; so as not to load the database, not again yet"
    started = time.monotonic()
    figures = count_figures(now)
    seconds = time.monotonic() - started
    row = DashboardFigures(as_of=now, seconds=seconds, figures=figures)
    DashboardFigures.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["as_of", "seconds", "figures"]
    )
    return f"Active keys: {figures['active']:,}; counted in {seconds:.1f} s"
