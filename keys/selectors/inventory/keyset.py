"""Keyset paging: read the rows after a given row from an index, without OFFSET or COUNT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import BooleanField, F, Func, IntegerField, QuerySet, Subquery, Value
from django.db.models.lookups import GreaterThan, LessThanOrEqual

Row = TypeVar("Row")
PAGE_SIZE = 50


class Unindexed(Func):
    """An expression with the same value that keeps SQLite from using an index for it.

    SQLite chooses an index without considering the LIMIT, so it would collect and sort half of the table
    instead of walking the index in the page's order. The unary plus is the documented way to prevent that
    ("The SQLite Query Optimizer Overview").
    """

    template = "%(expressions)s"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


@dataclass(frozen=True)
class Window:
    """``low < value <= high``. None leaves a side open."""

    low: Any = None
    high: Any = None

    def conditions(self, low_column: Any, high_column: Any) -> list[Any]:
        """Return the conditions for the two sides, each on its own expression of the column."""
        found: list[Any] = []
        if self.low is not None:
            found.append(GreaterThan(low_column, self.low))
        if self.high is not None:
            found.append(LessThanOrEqual(high_column, self.high))
        return found


@dataclass(frozen=True)
class Order:
    """Columns to sort by. The last one is unique, so that no two rows are equal.

    ``window`` bounds the first column. ``own_columns``: if ``columns`` belong to a joined table, the equal
    columns of the row's own table.
    """

    columns: tuple[F | Func, ...]
    descending: bool = False
    window: Window = Window()
    own_columns: tuple[F | Func, ...] = ()

    def directed(self, *, descending: bool) -> Order:
        return replace(self, descending=descending)

    def terms(self) -> list[Any]:
        return [column.desc() if self.descending else column.asc() for column in self.columns]

    def bounds(self, boundary: Sequence[Value] | None) -> list[Any]:
        """Return the conditions that bound the walk: it starts after ``boundary``, or else with the window.

        There is never more than one condition per side: given two, an index may start from the farther one.
        """
        first, window = self.columns[0], self.window
        if boundary is None or self._comes_before_the_window(boundary[0].value):
            return window.conditions(first, first)
        far = Window(low=window.low) if self.descending else Window(high=window.high)
        after = _row_after(self.columns, boundary, descending=self.descending)
        return [after, *far.conditions(first, first)]

    def _comes_before_the_window(self, value: Any) -> bool:
        low, high = self.window.low, self.window.high
        return high is not None and value > high if self.descending else low is not None and value <= low


@dataclass(frozen=True)
class Page(Generic[Row]):
    """``after`` and ``before`` are the ids to continue from, or None at the end and the start of the list."""

    rows: list[Row]
    after: Any | None
    before: Any | None


class _Row(Func):
    template = "(%(expressions)s)"


def _row_after(columns: Sequence[Any], boundary: Sequence[Value], *, descending: bool) -> Func:
    """Return ``(a, b) > (x, y)``, or with ``<``: a row comparison, which one range of an index answers."""
    return Func(
        _Row(*columns),
        _Row(*boundary),
        template="%(expressions)s",
        arg_joiner=" < " if descending else " > ",
        output_field=BooleanField(),
    )


class CountOf(Subquery):
    """The number of ``rows``, counted in the statement that reads them, so that the two agree.

    A window function would do the same but hold all rows in memory.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        super().__init__(rows.order_by().values("pk"))


class BoundedCountOf(CountOf):
    """The number of ``rows``, at most ``most``."""

    def __init__(self, rows: QuerySet[Any, Any], most: int) -> None:
        super(CountOf, self).__init__(rows.order_by().values("pk")[:most])


def order_by(rows: QuerySet[Any, Any], order: Order) -> QuerySet[Any, Any]:
    """Return the ``rows`` within the window of ``order``, sorted."""
    return rows.filter(*order.bounds(None)).order_by(*order.terms())


def page(
    rows: QuerySet[Any, Any],
    order: Order,
    everything: QuerySet[Any, Any],
    *,
    after: Any | None,
    before: Any | None,
    size: int = PAGE_SIZE,
    among: Sequence[tuple[QuerySet[Any, Any], Order]] = (),
) -> Page[Any]:
    """Return up to ``size`` of ``rows`` in ``order``, next to the row with the id ``after`` or ``before``.

    That row is looked up in ``everything``; if it isn't there, return the first page. The first value of each
    of ``rows`` must be its primary key. ``among``: queries that together find the same rows faster. The page
    is then made of the first rows of each.

    On PostgreSQL, a later page is found by its ids alone, before other tables are joined. It expects hardly
    any row after one of many that share the last value of a column, such as keys without a review date, so it
    would join and sort all the rows that follow.
    """
    backwards = before is not None and after is None
    place = before if backwards else after
    boundary = _boundary(everything, order, place)
    backwards = backwards and boundary is not None
    direction = _directed(order, backwards=backwards)
    if boundary is not None and not among and connections[rows.db].vendor == "postgresql":
        among = [(rows, order)]
    if among:
        first = set[Any]()
        for part, own_order in among:
            walk = _directed(own_order, backwards=backwards)
            bounds = walk.bounds(_boundary(everything, own_order, place))
            first.update(
                part.filter(*bounds).order_by(*walk.terms()).values_list("pk", flat=True)[: size + 1]
            )
        ahead = rows.filter(pk__in=first)
    else:
        ahead = rows.filter(*direction.bounds(boundary))
    found = list(ahead.order_by(*direction.terms())[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    return Page(
        rows=found,
        after=found[-1][0] if found and (more or backwards) else None,
        before=found[0][0] if found and (more if backwards else boundary is not None) else None,
    )


def _directed(order: Order, *, backwards: bool) -> Order:
    return order.directed(descending=not order.descending) if backwards else order


def _boundary(everything: QuerySet[Any, Any], order: Order, key: Any | None) -> list[Value] | None:
    if key is None:
        return None
    columns = order.own_columns or order.columns
    names = {f"boundary_{index}": column for index, column in enumerate(columns)}
    row = everything.filter(pk=key).annotate(**names).values(*names).first()
    if row is None:
        return None
    query = everything.annotate(**names).query
    return [Value(row[name], output_field=query.annotations[name].output_field) for name in names]
