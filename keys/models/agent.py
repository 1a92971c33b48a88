"""Define the expression that finds the keys of agents outside the rules: an index has only these."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.lookups import GreaterThan

from keys.rules.lifecycle import AGENT_LIFE

_A_SECOND = 1 / 86_400
"""Dates are compared as numbers of days, which are not exact."""


class Days(Func):
    """The days between two times, which a generated column can contain on both databases."""

    arity = 2
    output_field = models.FloatField()

    def as_sqlite(self, compiler: Any, *_: Any, **__: Any) -> Any:
        return self._between(compiler, "JULIANDAY({end}) - JULIANDAY({start})")

    def as_postgresql(self, compiler: Any, *_: Any, **__: Any) -> Any:
        return self._between(compiler, "EXTRACT(EPOCH FROM ({end} - {start})) / 86400")

    def _between(self, compiler: Any, template: str) -> Any:
        (start, _), (end, _) = (compiler.compile(each) for each in self.get_source_expressions())
        return template.format(start=start, end=end), []


OUTSIDE = Case(
    When(
        Q(kind="agent")
        & (
            Q(accountable__isnull=True)
            | Q(accountable_left_at__isnull=False)
            | Q(stored_in="")
            | Q(GreaterThan(Days(F("created_at"), F("expires_at")), AGENT_LIFE.days + _A_SECOND))
        ),
        then=Value(1),
    ),
    default=None,
)
"""1 for a key of an agent without an active sponsor, a vault or a short life, else NULL."""
