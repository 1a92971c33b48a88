"""Store the figures of the dashboard's charts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class DashboardFigures(models.Model):
    """The figures that a background job counted at ``as_of`` in ``seconds``. The table has one row.

    ``figures`` has the shape of ``keys.selectors.dashboard.figures.Figures``. Only the charts use it: if the
    row is lost, or older than the keys after a restore, the job's next run replaces it.
    """

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    as_of = models.DateTimeField()
    seconds = models.FloatField()
    figures = models.JSONField()

    class Meta:
        constraints = (models.CheckConstraint(name="figures_are_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return f"{self.as_of:%Y-%m-%d %H:%M:%S}"
