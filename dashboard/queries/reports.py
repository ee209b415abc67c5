"""Rows of reports: one statement from a definition, by the catalogue (`report_subjects`).

Names are only ever those of the catalogue, values are only ever bound, and every source names its operator:
what somebody has typed never stands in a statement.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Select,
    Subquery,
    Text,
    TextClause,
    cast,
    column,
    func,
    select,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.queries import report_subjects
from dashboard.queries.paging import Listing
from dashboard.queries.report_fields import Source
from dashboard.services import report_definitions
from dashboard.services.report_definitions import (
    ROWS,
    Definition,
    Field,
    FieldKind,
    Filter,
    Operation,
)

PREVIEW_ROWS = 50
COUNT_MOST = 10_000
"""A preview counts, and adds up, no further."""
_CANCELLED = "57014"
_TYPES: Mapping[FieldKind, Any] = {
    FieldKind.TEXT: Text(),
    FieldKind.CHOICE: Text(),
    FieldKind.ID: BigInteger(),
    FieldKind.NUMBER: BigInteger(),
    FieldKind.AMOUNT: BigInteger(),
    FieldKind.TIME: DateTime(timezone=True),
    FieldKind.DAY: Date(),
}

Row = Mapping[str, Any]
"""A row by the names of its fields; `currency` stands there wherever an amount does."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whose rows, of which time, by whose calendar."""

    operator_id: int
    timezone: str
    currency: str
    """The operator's home currency."""
    span: Span


@dataclass(frozen=True, slots=True)
class Total:
    """What the rows of one currency come to; `currency` is empty where there are no amounts."""

    currency: str
    rows: int
    sums: Mapping[str, int | None]
    """None where no row has a figure to add."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a report."""

    rows: list[Row]
    count: int
    """Of all its rows; one more than COUNT_MOST where there are too many to count."""
    totals: list[Total]
    """Empty where there are too many rows to add up."""
    is_too_long: bool = False
    """The database gave up: nothing is known."""


def bounds(
    definition: Definition, *, operator_id: int, timezone: str, currency: str, now: dt.datetime
) -> Bounds:
    """What a definition means now. Raises Rejected where its period is none."""
    span = report_definitions.span(definition.period, now=now, zone=timezone)
    return Bounds(operator_id, timezone, currency, span)


def listing(definition: Definition, within: Bounds) -> Listing[Row]:
    """Every row of a report in its order. Raises Rejected where the definition cannot be had."""
    return Listing(_statement(definition, within), _row)


def first_rows(session: Session, definition: Definition, within: Bounds, at_most: int) -> list[Row]:
    """The first so many. Raises Rejected as `listing` does."""
    found = session.execute(listing(definition, within).statement.limit(at_most))
    return [_row(row) for row in found]


def preview(session: Session, definition: Definition, within: Bounds) -> Preview:
    """The first rows, how many there are, and what they come to. Raises Rejected as `listing` does.

    A statement that takes too long is given up, and leaves the transaction as it was.
    """
    try:
        with session.begin_nested():
            return _preview(session, definition, within)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _CANCELLED:
            raise
        return Preview([], 0, [], is_too_long=True)


def _preview(session: Session, definition: Definition, within: Bounds) -> Preview:
    rows = first_rows(session, definition, within, PREVIEW_ROWS)
    count = len(rows)
    if count == PREVIEW_ROWS:
        count = listing(definition, within).count(session, COUNT_MOST + 1)
    found = totals(session, definition, within) if 0 < count <= COUNT_MOST else []
    return Preview(rows, count, found)


def totals(session: Session, definition: Definition, within: Bounds) -> list[Total]:
    """What all rows of a report come to, by currency: the rows themselves are counted, not the groups."""
    source = report_subjects.SOURCES[definition.subject]
    rows = _source(source, within)
    sums = [each for each in report_definitions.shown(definition, source.subject) if each.is_summed]
    named = [each for each in sums if each is not ROWS]
    has_currency = source.subject.has_currency
    statement = select(func.count().label("rows"), *(_sum(rows, each) for each in named)).where(
        *_conditions(definition, source, rows)
    )
    if has_currency:
        statement = statement.add_columns(rows.c.currency).group_by(rows.c.currency).order_by(rows.c.currency)
    return [
        Total(
            row["currency"] if has_currency else "",
            row["rows"],
            {each.name: row[each.name] for each in named},
        )
        for row in session.execute(statement).mappings()
        if row["rows"]
    ]


def _statement(definition: Definition, within: Bounds) -> Select[*tuple[Any, ...]]:
    source = report_subjects.SOURCES[definition.subject]
    report_definitions.check(definition, source.subject)
    rows = _source(source, within)
    conditions = _conditions(definition, source, rows)
    shown = report_definitions.shown(definition, source.subject)
    if not definition.group:
        wanted = [rows.c[each.name] for each in shown]
        if source.subject.has_currency and not any(each.name == "currency" for each in shown):
            wanted.append(rows.c.currency)
        return select(*wanted).where(*conditions).order_by(*(rows.c[name] for name in source.order))
    keys = [rows.c[each.name] for each in report_definitions.keys(definition, source.subject)]
    sums = [_sum(rows, each) for each in shown if each.is_summed and each is not ROWS]
    return (
        select(*keys, func.count().label(ROWS.name), *sums).where(*conditions).group_by(*keys).order_by(*keys)
    )


def _source(source: Source, within: Bounds) -> Subquery:
    """The rows of a subject within the bounds, under the names of its fields."""
    known = {each.name: _TYPES[each.kind] for each in source.subject.fields}
    extra = {name: BigInteger() for name in source.order if name not in known}
    columns = [column(name, kind) for name, kind in {**known, **extra}.items()]
    return _bound(source.sql, within).columns(*columns).subquery("s")


def _bound(sql: str, within: Bounds) -> TextClause:
    start, end = within.span
    given = {
        "operator": within.operator_id,
        "zone": within.timezone,
        "home": within.currency,
        "start": start,
        "end": end,
        "first_day": clock.local(start, within.timezone).date(),
        # A span that ends within a day takes that day.
        "end_day": clock.local(end - dt.timedelta(microseconds=1), within.timezone).date()
        + dt.timedelta(days=1),
    }
    clause = text(sql)
    named = clause.compile().params
    return clause.bindparams(**{name: value for name, value in given.items() if name in named})


def _conditions(definition: Definition, source: Source, rows: Subquery) -> list[ColumnElement[bool]]:
    currency = report_definitions.currency_of(definition)
    return [_condition(each, source, rows, currency) for each in definition.filters]


def _condition(one: Filter, source: Source, rows: Subquery, currency: str | None) -> ColumnElement[bool]:
    found = source.subject.find(one.field)
    if found is None:
        raise KeyError(one.field)
    value, where = report_definitions.value_of(one, found, currency), rows.c[found.name]
    match one.operation:
        case Operation.IS:
            return where == value
        case Operation.HAS:
            return func.strpos(func.lower(where), func.lower(value)) > 0
        case Operation.LEAST:
            return where >= value
        case Operation.MOST:
            return where <= value


def _sum(rows: Subquery, of: Field) -> ColumnElement[int]:
    return cast(func.sum(rows.c[of.name]), BigInteger).label(of.name)


def _row(row: Any) -> Row:
    found: Row = row._mapping
    return found
