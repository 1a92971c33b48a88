"""The figures of the charts: counted anew each period, unless that would load the database; one row, replaced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.jobs.figures import REST, keep_figures
from keys.models import DashboardFigures
from tests.cast import a_key


def kept() -> DashboardFigures:
    return DashboardFigures.objects.get()


def test_each_run_counts_anew(cast):
    assert keep_figures().startswith("Active keys: 0; counted in ")
    DashboardFigures.objects.update(seconds=0)
    a_key(cast.owner)
    assert keep_figures().startswith("Active keys: 1; counted in ")
    assert kept().figures["active"] == 1
    assert timezone.now() - kept().as_of < timedelta(minutes=1)


@pytest.mark.parametrize(("age", "again"), [(10 * REST - 5, False), (10 * REST + 5, True), (-60, True)])
def test_after_counting_for_long_it_rests(cast, age, again):
    """A clock that was set back does not make it rest for ever."""
    keep_figures()
    as_of = timezone.now() - timedelta(seconds=age)
    DashboardFigures.objects.update(seconds=10, as_of=as_of)
    said = keep_figures()
    assert (kept().as_of != as_of) == again
    assert said.startswith("The last count took 10.0 s") == (not again)
