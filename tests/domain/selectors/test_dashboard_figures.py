"""The charts' figures: counted again in each period, unless that takes too long, and stored in one row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.jobs.figures import REST, keep_figures
from keys.models import DashboardFigures
from tests.cast import a_key


def stored() -> DashboardFigures:
    return DashboardFigures.objects.get()


def test_each_run_counts_again(cast):
    assert keep_figures().startswith("Active keys: 0; counted in ")
    DashboardFigures.objects.update(seconds=0)
    a_key(cast.owner)
    assert keep_figures().startswith("Active keys: 1; counted in ")
    assert stored().figures["active"] == 1
    assert timezone.now() - stored().as_of < timedelta(minutes=1)


@pytest.mark.parametrize(("age", "again"), [(10 * REST - 5, False), (10 * REST + 5, True), (-60, True)])
def test_after_a_long_count_the_job_pauses(cast, age, again):
    """It doesn't pause forever if the clock was set back."""
    keep_figures()
    as_of = timezone.now() - timedelta(seconds=age)
    DashboardFigures.objects.update(seconds=10, as_of=as_of)
    summary = keep_figures()
    assert (stored().as_of != as_of) == again
    assert summary.startswith("The last count took 10.0 s") == (not again)
