"""Keyset paging: the rows after a given row, by walking an index. No OFFSET, no COUNT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.db.models import BooleanField, F, Func, IntegerField, QuerySet, Subquery, Value
from django.db.models.lookups import GreaterThan, LessThanOrEqual

Row = TypeVar("Row")
PAGE_SIZE = 50


class Unindexed(Func):
    """The same value, which SQLite will not look for in an index.

    It chooses an index without knowing that a page ends after 50 rows, and would rather collect and sort
    half of the table than walk an index that has the page's order. The unary plus is its documented way
    to be told otherwise ("The SQLite Query Optimizer Overview").
    """

    template = "%(expressions)s"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


@dataclass(frozen=True)
class Window:
    """``low < value <= high``; None leaves that side open."""

    low: Any = None
    high: Any = None

    def around(self, low_column: Any, high_column: Any) -> list[Any]:
        """The two sides as conditions, each on its own spelling of the column."""
        conditions: list[Any] = []
        if self.low is not None:
            conditions.append(GreaterThan(low_column, self.low))
        if self.high is not None:
            conditions.append(LessThanOrEqual(high_column, self.high))
        return conditions


@dataclass(frozen=True)
class Order:
    """Columns to sort by, the primary key or another unique column last, so that no two rows are equal.

    ``window`` bounds the first column. ``read_from`` are columns of the row's own table that equal
    ``columns``, where these come from a table that was joined.
    """

    columns: tuple[F | Func, ...]
    descending: bool = False
    window: Window = Window()
    read_from: tuple[F | Func, ...] = ()

    def turned(self, *, descending: bool) -> Order:
        return replace(self, descending=descending)

    def terms(self) -> list[Any]:
        return [column.desc() if self.descending else column.asc() for column in self.columns]

    def bounds(self, boundary: Sequence[Value] | None) -> list[Any]:
        """Between which rows the walk goes: from the row at ``boundary``, else from the window's near side.

        Never both: of two bounds on one side an index may start from the farther one.
        """
        first, window = self.columns[0], self.window
        if boundary is None or self._comes_before_the_window(boundary[0].value):
            return window.around(first, first)
        far = Window(low=window.low) if self.descending else Window(high=window.high)
        after = _row_after(self.columns, boundary, descending=self.descending)
        return [after, *far.around(first, first)]

    def _comes_before_the_window(self, value: Any) -> bool:
        low, high = self.window.low, self.window.high
        return high is not None and value > high if self.descending else low is not None and value <= low


@dataclass(frozen=True)
class Page(Generic[Row]):
    """``after`` and ``before`` are the ids to continue from, None at either end."""

    rows: list[Row]
    after: Any | None
    before: Any | None


class _Row(Func):
    template = "(%(expressions)s)"


def _row_after(columns: Sequence[Any], boundary: Sequence[Value], *, descending: bool) -> Func:
    """``(a, b) > (x, y)``: SQL compares the rows as wholes, so one index range answers it."""
    return Func(
        _Row(*columns),
        _Row(*boundary),
        template="%(expressions)s",
        arg_joiner=" < " if descending else " > ",
        output_field=BooleanField(),
    )


class CountOf(Subquery):
    """How many ``rows`` there are, within the statement that lists them: the two cannot disagree.

    A window function would say it as well, and would hold every row in memory to do so.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        super().__init__(rows.order_by().values("pk"))


def order_by(rows: QuerySet[Any, Any], order: Order) -> QuerySet[Any, Any]:
    """All of ``rows`` that are in the order's window, in order."""
    return rows.filter(*order.bounds(None)).order_by(*order.terms())


def page(
    rows: QuerySet[Any, Any],
    order: Order,
    everything: QuerySet[Any, Any],
    *,
    after: Any | None,
    before: Any | None,
    size: int = PAGE_SIZE,
) -> Page[Any]:
    """At most ``size`` of ``rows`` in ``order``, next to the row whose key is ``after`` or ``before``.

    ``everything`` is where that row is looked up; one that is not there gives the first page. The rows'
    first value must be their primary key.
    """
    backwards = before is not None and after is None
    direction = order.turned(descending=not order.descending) if backwards else order
    boundary = _boundary(everything, order, before if backwards else after)
    if boundary is None:
        direction, backwards = order, False
    found = list(rows.filter(*direction.bounds(boundary)).order_by(*direction.terms())[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    return Page(
        rows=found,
        after=found[-1][0] if found and (more or backwards) else None,
        before=found[0][0] if found and (more if backwards else boundary is not None) else None,
    )


def _boundary(everything: QuerySet[Any, Any], order: Order, key: Any | None) -> list[Value] | None:
    if key is None:
        return None
    columns = order.read_from or order.columns
    names = {f"boundary_{index}": column for index, column in enumerate(columns)}
    row = everything.filter(pk=key).annotate(**names).values(*names).first()
    if row is None:
        return None
    query = everything.annotate(**names).query
    return [Value(row[name], output_field=query.annotations[name].output_field) for name in names]
