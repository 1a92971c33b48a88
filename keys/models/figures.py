"""The figures that the dashboard's charts are drawn from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class DashboardFigures(models.Model):
    """What was counted at ``as_of``, in ``seconds``, by a background job: one row, replaced as a whole.

    ``figures`` has the shape of ``keys.selectors.dashboard.figures.Figures``. Nothing depends on it but the charts:
    a row that is lost, or older than the keys after a restore, is made anew by the job's next run.
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
