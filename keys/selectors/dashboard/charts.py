"""Build the dashboard's charts from the counted figures: summaries, tables, and the drawings from svg.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import NamedTuple

from django.urls import reverse

from keys.rules import scopes as catalogue
from keys.rules.permissions import Role
from keys.selectors.dashboard.figures import (
    DAYS,
    CountedFigures,
    Figures,
    OwnerFigure,
    ScopeFigure,
    WeekFigure,
)
from keys.selectors.dashboard.svg import Calendar, Columns, calendar, cliffs, columns, level, share
from keys.selectors.inventory.periods import range_of

SHOWN_WIDEST = 3


class DayRow(NamedTuple):
    day: str
    keys: str
    url: str


class Words(NamedTuple):
    """A part of a sentence. ``url`` leads to what it counts, or is empty."""

    text: str
    url: str = ""


class _Sentence:
    """``said`` is a sentence in parts, some of which are links."""

    said: list[Words]

    @property
    def summary(self) -> str:
        return "".join(part.text for part in self.said)


@dataclass(frozen=True)
class Expiries(_Sentence):
    said: list[Words]
    calendar: Calendar
    cliffs: list[DayRow]
    rows: list[DayRow]


class WeekRow(NamedTuple):
    week: str
    counts: list[Words]


@dataclass(frozen=True)
class Weeks(_Sentence):
    """``columns`` is None if all counts are 0."""

    said: list[Words]
    columns: Columns | None
    rows: list[WeekRow]


class Bar(NamedTuple):
    """``note`` and ``tag`` describe the owner. ``url`` leads to the counted keys, or is empty."""

    label: str
    keys: str
    share: str
    url: str
    note: str = ""
    tag: str = ""


class ScopeRow(NamedTuple):
    """One scope. ``cells`` has the number of keys and the shade for each role."""

    bar: Bar
    cells: list[tuple[Words, int]]


@dataclass(frozen=True)
class Charts:
    expiries: Expiries
    turnover: Weeks
    refusals: Weeks
    owners: list[Bar]
    roles: list[str]
    scopes: list[ScopeRow]
    widest: list[Words]


def charts(counted: CountedFigures) -> Charts:
    figures = counted.figures
    roles = [
        (place, role)
        for place, role in enumerate(Role)
        if any(row["by_role"][place] for row in figures["scopes"])
    ][::-1]
    most = max((sum(row["by_role"]) for row in figures["scopes"]), default=0)
    darkest = max((keys for row in figures["scopes"] for keys in row["by_role"]), default=0)
    by_risk = sorted(figures["scopes"], key=lambda row: (not _writes(row["scope"]), -sum(row["by_role"])))
    return Charts(
        expiries=_expiries(figures, counted.as_of.astimezone(UTC).date()),
        turnover=_turnover(figures),
        refusals=_refusals(figures),
        owners=_owners(figures["owners"]),
        roles=[role.label for _, role in roles],
        scopes=[
            ScopeRow(
                _scope_bar(row, most),
                [
                    (
                        Words(_number(row["by_role"][place]), _scope_url(row["scope"], role)),
                        level(row["by_role"][place], darkest),
                    )
                    for place, role in roles
                ],
            )
            for row in by_risk
        ],
        widest=_widest(by_risk),
    )


def _expiries(figures: Figures, today: date) -> Expiries:
    counts = {date.fromisoformat(day): keys for day, keys in figures["expiring"].items()}
    steep = cliffs(counts, DAYS)
    said = [
        Words(_keys(sum(counts.values())), _inventory(expires=range_of(today, today + timedelta(days=DAYS)))),
        Words(" of "),
        Words(f"{figures['active']:,} active", _inventory(status="active")),
        Words(f", on {len(counts)} days."),
    ]
    if counts:
        worst = max(counts, key=lambda day: counts[day])
        most = Words(f"{_number(counts[worst])}, on {_day(worst)}", _inventory(expires=worst.isoformat()))
        said += [Words(" The most on one day: "), most, Words(".")]
    return Expiries(
        said=said,
        calendar=calendar(counts, today, DAYS + 1),
        cliffs=[_day_row(day, counts[day]) for day in steep],
        rows=[_day_row(day, keys) for day, keys in sorted(counts.items())],
    )


def _day_row(day: date, keys: int) -> DayRow:
    return DayRow(_day(day), _number(keys), _inventory(expires=day.isoformat()))


def _turnover(figures: Figures) -> Weeks:
    new, removed = ([week[name] for week in figures["weeks"]] for name in ("new", "removed"))
    return Weeks(
        said=[
            Words(f"{_keys(sum(new))} made", _inventory(made=_range(figures["weeks"]))),
            Words(" and "),
            Words(f"{sum(removed):,} removed", _inventory(removed=_range(figures["weeks"]))),
            Words(f" in {len(new)} weeks."),
        ],
        columns=columns(_labels(figures), new, removed) if any([*new, *removed]) else None,
        rows=[
            WeekRow(
                _week(week["monday"]),
                [
                    Words(_number(week["new"]), _inventory(made=_range([week]))),
                    Words(_number(week["removed"]), _inventory(removed=_range([week]))),
                ],
            )
            for week in figures["weeks"]
        ],
    )


def _refusals(figures: Figures) -> Weeks:
    refused = [week["refused"] for week in figures["weeks"]]
    return Weeks(
        said=[
            Words(f"{_number(sum(refused))} in {len(refused)} weeks", _refused(figures["weeks"])),
            Words(", "),
            Words(f"{_number(refused[-1])} of them this week", _refused(figures["weeks"][-1:])),
            Words("."),
        ]
        if any(refused)
        else [Words(f"None in {len(refused)} weeks.")],
        columns=columns(_labels(figures), refused) if any(refused) else None,
        rows=[
            WeekRow(_week(week["monday"]), [Words(_number(week["refused"]), _refused([week]))])
            for week in figures["weeks"]
        ],
    )


def _refused(weeks: list[WeekFigure]) -> str:
    first, last = _days(weeks)
    query = {"outcome": "refused", "since": first.isoformat(), "until": last.isoformat(), "zone": "utc"}
    return reverse("keys:activity", query=query)


def _range(weeks: list[WeekFigure]) -> str:
    return range_of(*_days(weeks))


def _days(weeks: list[WeekFigure]) -> tuple[date, date]:
    """Return the first and the last day of ``weeks``."""
    first, last = (date.fromisoformat(week["monday"]) for week in (weeks[0], weeks[-1]))
    return first, last + timedelta(days=6)


def _owners(owners: list[OwnerFigure]) -> list[Bar]:
    most = max((owner["keys"] for owner in owners), default=0)
    return [
        Bar(
            label=owner["name"],
            note=Role(owner["role"]).label,
            tag="disabled or left" if owner["left"] else "",
            keys=_number(owner["keys"]),
            share=share(owner["keys"], most),
            url=_inventory(owner=owner["email"], status="active"),
        )
        for owner in owners
    ]


def _scope_bar(row: ScopeFigure, most: int) -> Bar:
    scope, keys = row["scope"], sum(row["by_role"])
    return Bar(
        label=catalogue.label(scope),
        keys=_number(keys),
        share=share(keys, most),
        url=_scope_url(scope),
    )


def _widest(by_risk: list[ScopeFigure]) -> list[Words]:
    """Return the most powerful keys in words: keys that can change data, the highest role first."""
    powerful = [
        (role, row, keys)
        for row in by_risk
        for role, keys in zip(Role, row["by_role"], strict=True)
        if keys and _writes(row["scope"])
    ]
    powerful.sort(key=lambda row: -row[0])  # a stable sort keeps the order within a role
    return [
        Words(
            f"{_keys(keys)} can “{catalogue.label(row['scope'])}” as {role.label}",
            _scope_url(row["scope"], role),
        )
        for role, row, keys in powerful[:SHOWN_WIDEST]
    ]


def _scope_url(scope: str, role: Role | None = None) -> str:
    of_role = {} if role is None else {"role": str(role.value)}
    return _inventory(scope=scope, status="active", **of_role)


def _writes(scope: str) -> bool:
    """Return whether ``scope`` can change data. An unknown scope is assumed to."""
    known = catalogue.CATALOGUE.get(scope)
    return known is None or known.writes


def _inventory(**query: str) -> str:
    return reverse("keys:inventory", query=query)


def _keys(count: int) -> str:
    return f"{count:,} key{'' if count == 1 else 's'}"


def _number(count: int) -> str:
    return f"{count:,}"


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _labels(figures: Figures) -> list[str]:
    mondays = (date.fromisoformat(week["monday"]) for week in figures["weeks"])
    return [f"{monday.day} {monday:%b}" for monday in mondays]


def _week(monday: str) -> str:
    first = date.fromisoformat(monday)
    last = first + timedelta(days=6)
    return f"{first.day} {first:%b} to {last.day} {last:%b %Y}"
