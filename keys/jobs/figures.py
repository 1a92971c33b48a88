"""Count the figures of the dashboard's charts, using only a small share of one core."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from keys.models import DashboardFigures
from keys.selectors.dashboard.figures import count_figures

REST = 30
"""Wait this many times as long as the count took: at most about 3 % of one core, for any number of keys."""


def keep_figures() -> str:
    """Count everything again unless the last count was too recent for its duration. Return a summary."""
    now = timezone.now()
    kept = DashboardFigures.objects.first()
    if kept and timedelta() <= now - kept.as_of < timedelta(seconds=REST * kept.seconds):
        return f"The last count took {kept.seconds:.1f} s; the next one waits, to spare the database"
    started = time.monotonic()
    figures = count_figures(now)
    seconds = time.monotonic() - started
    row = DashboardFigures(as_of=now, seconds=seconds, figures=figures)
    DashboardFigures.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["as_of", "seconds", "figures"]
    )
    return f"Active keys: {figures['active']:,}; counted in {seconds:.1f} s"
