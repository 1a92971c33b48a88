"""Count the figures for the dashboard's charts, in a background job, because it takes too long for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypedDict

from django.db.models import Count, QuerySet

from keys.models import LISTED, ApiKey, AuditEvent, DashboardFigures, User
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Role
from keys.rules.scopes import in_order
from keys.selectors.inventory.filters import expiring

DAYS = 90
WEEKS = 12
TOP_OWNERS = 10


class OwnerFigure(TypedDict):
    """``keys`` is the number of active keys. ``left``: the owner is disabled in Cerby or unknown to it."""

    name: str
    email: str
    role: int
    left: bool
    keys: int


class ScopeFigure(TypedDict):
    """``by_role``: active keys with ``scope`` by the role of their owner, in the order of ``Role``."""

    scope: str
    by_role: list[int]


class WeekFigure(TypedDict):
    """``monday`` is the first day of the week in UTC, such as 2026-11-02."""

    monday: str
    new: int
    removed: int
    refused: int


class Figures(TypedDict):
    """``expiring``: active keys that expire within ``DAYS``, by day in UTC, without days that have none."""

    active: int
    expiring: dict[str, int]
    owners: list[OwnerFigure]
    scopes: list[ScopeFigure]
    weeks: list[WeekFigure]


@dataclass(frozen=True)
class CountedFigures:
    as_of: datetime
    figures: Figures


def counted_figures() -> CountedFigures | None:
    """Return the latest figures, or None before the job's first run."""
    row = DashboardFigures.objects.first()
    return CountedFigures(row.as_of, row.figures) if row else None


def count_figures(now: datetime) -> Figures:
    """Count all figures: ranges of indexes, and one pass over the active keys, grouped by the database."""
    people = {person.pk: person for person in User.objects.only("name", "email", "role", "left_at")}
    by_owner: Counter[int] = Counter()
    by_scope: Counter[tuple[str, int]] = Counter()
    groups = _active(now).order_by().values_list("owner_id", "scopes").annotate(keys=Count("pk"))
    for owner_id, scopes, keys in groups.iterator():
        by_owner[owner_id] += keys
        for scope in scopes:
            by_scope[scope, people[owner_id].role] += keys
    return Figures(
        active=by_owner.total(),
        expiring=_expiring(now),
        owners=[_owner(people[pk], keys) for pk, keys in by_owner.most_common(TOP_OWNERS)],
        scopes=[
            ScopeFigure(scope=scope, by_role=[by_scope[scope, role] for role in Role])
            for scope in in_order(scope for scope, _ in by_scope)
        ],
        weeks=[_week(monday) for monday in _mondays(now)],
    )


def _active(now: datetime) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(LISTED, phase=Phase.LIVE, expires_at__gt=now)


def _owner(person: User, keys: int) -> OwnerFigure:
    return OwnerFigure(
        name=person.name, email=person.email, role=person.role, left=person.left_at is not None, keys=keys
    )


def _expiring(now: datetime) -> dict[str, int]:
    """Count with one query per day, each a range of an index. Grouping would compute the day of every row."""
    today = now.astimezone(UTC).date()
    days = ((today + timedelta(days=number)).isoformat() for number in range(DAYS + 1))
    counts = {day: ApiKey.objects.filter(LISTED, expiring(day, now).found).count() for day in days}
    return {day: keys for day, keys in counts.items() if keys}


def _mondays(now: datetime) -> Iterator[date]:
    """Return the Mondays of the last ``WEEKS`` weeks, including this week, oldest first."""
    today = now.astimezone(UTC).date()
    this = today - timedelta(days=today.weekday())
    return (this - timedelta(weeks=ago) for ago in reversed(range(WEEKS)))


def _week(monday: date) -> WeekFigure:
    start, end = _start(monday), _end(monday + timedelta(days=6))
    made = ApiKey.objects.filter(phase__in=[Phase.LIVE, Phase.REMOVED])
    refused = AuditEvent.objects.filter(outcome=AuditEvent.Outcome.REFUSED)
    return WeekFigure(
        monday=monday.isoformat(),
        new=made.filter(LISTED, created_at__gte=start, created_at__lt=end).count(),
        removed=ApiKey.objects.filter(removed_at__gte=start, removed_at__lt=end).count(),
        refused=refused.filter(at__gte=start, at__lt=end).count(),
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _end(day: date) -> datetime:
    return _start(day) + timedelta(days=1)
