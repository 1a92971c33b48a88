"""Keyset paging: the rows after a given row, by walking an index. No OFFSET, no COUNT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import BooleanField, F, Func, QuerySet, Value

Row = TypeVar("Row")
PAGE_SIZE = 50


@dataclass(frozen=True)
class Order:
    """Columns to sort by, the primary key last so that no two rows are equal."""

    columns: tuple[F | Func, ...]
    descending: bool = False

    def reverse(self) -> Order:
        return Order(self.columns, not self.descending)

    def terms(self) -> list[Any]:
        return [column.desc() if self.descending else column.asc() for column in self.columns]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """``after`` and ``before`` are the ids to continue from, None at either end."""

    rows: list[Row]
    after: Any | None
    before: Any | None


class _RowAfter(Func):
    """``(a, b) > (x, y)``: SQL compares the rows as wholes, so one index range answers it."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, columns: Sequence[Any], boundary: Sequence[Any], *, descending: bool) -> None:
        super().__init__(*columns, *boundary)
        self.width = len(columns)
        self.operator = "<" if descending else ">"

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        left = ", ".join(sql for sql, _ in compiled[: self.width])
        right = ", ".join(sql for sql, _ in compiled[self.width :])
        params = [param for _, params in compiled for param in params]
        return f"({left}) {self.operator} ({right})", params


def order_by(rows: QuerySet[Any, Any], order: Order) -> QuerySet[Any, Any]:
    return rows.order_by(*order.terms())


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
    direction = order.reverse() if backwards else order
    boundary = _boundary(everything, order, before if backwards else after)
    if boundary is not None:
        rows = rows.filter(_RowAfter(order.columns, boundary, descending=direction.descending))
    found = list(order_by(rows, direction)[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    came_from_start = boundary is None
    return Page(
        rows=found,
        after=found[-1][0] if found and (more or backwards) else None,
        before=found[0][0] if found and (more if backwards else not came_from_start) else None,
    )


def _boundary(everything: QuerySet[Any, Any], order: Order, key: Any | None) -> list[Any] | None:
    if key is None:
        return None
    names = {f"boundary_{index}": column for index, column in enumerate(order.columns)}
    row = everything.filter(pk=key).annotate(**names).values(*names).first()
    if row is None:
        return None
    query = everything.annotate(**names).query
    return [Value(row[name], output_field=query.annotations[name].output_field) for name in names]
