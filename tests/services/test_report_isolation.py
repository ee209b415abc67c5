"""Whatever a report is put together from, its rows are its operator's: every subject, field and filter."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.queries import report_subjects
from dashboard.queries import reports as queries
from dashboard.queries.reports import Row
from dashboard.services.report_definitions import Definition, Field, FieldKind, Filter, Operation, Subject
from tests.services.report_house import fill, read, within


def counted(rows: Iterable[Row]) -> Counter[tuple[Any, ...]]:
    """Rows as something to compare, whatever their order."""
    return Counter(tuple(row.values()) for row in rows)


def asked(of: Field, operation: Operation, row: Row) -> tuple[Filter, ...]:
    """A filter by what stands in a row, with the currency that an amount is of."""
    value = row[of.name]
    if of.kind != FieldKind.AMOUNT:
        return (Filter(of.name, operation, str(value)[:100]),)
    currency = row["currency"]
    return (
        Filter("currency", Operation.IS, currency),
        Filter(of.name, operation, money.plain(value, currency)),
    )


def filters_of(subject: Subject, rows: list[Row]) -> Iterator[tuple[Field, Row, tuple[Filter, ...]]]:
    """Every field and every way to filter by it, with the first and the last value that rows have."""
    for field in subject.fields:
        told = {row[field.name]: row for row in rows if row[field.name] not in {None, ""}}
        values = list(told.values())
        for row in {id(row): row for row in (*values[:1], *values[-1:])}.values():
            for operation in field.operations:
                yield field, row, asked(field, operation, row)


def fits(row: Row, of: Field, like: Row, filters: tuple[Filter, ...]) -> bool:
    """Whether a row is to be found by these filters, reckoned without the database."""
    has, wanted = row[of.name], like[of.name]
    if len(filters) > 1 and row["currency"] != like["currency"]:
        return False
    if has is None:
        return False
    compared: Mapping[Operation, Any] = {
        Operation.IS: lambda: has == wanted,
        Operation.HAS: lambda: wanted.lower() in has.lower(),
        Operation.LEAST: lambda: has >= wanted,
        Operation.MOST: lambda: has <= wanted,
    }
    return bool(compared[filters[-1].operation]())


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_no_field_filter_or_group_reaches_another_operators_rows(session: Session, name: str) -> None:
    subject = report_subjects.SOURCES[name].subject
    whole = Definition(name, columns=tuple(each.name for each in subject.fields))
    ours = fill(session)
    own, totals = read(ours, whole), queries.totals(session, whole, within(ours, whole))
    alien = read(fill(session), whole)
    assert own
    assert len(alien) == len(own)

    assert counted(read(ours, whole)) == counted(own), "rows came with another operator"
    assert queries.totals(session, whole, within(ours, whole)) == totals
    tried = 0
    for field, like, filters in filters_of(subject, [*own, *alien]):
        found = read(ours, replace(whole, filters=filters))
        assert counted(found) == counted(row for row in own if fits(row, field, like, filters)), filters
        tried += 1
    assert tried > 1
    for field in subject.fields:
        if field.can_group:
            groups = read(ours, replace(whole, group=(field.name,)))
            assert Counter({row[field.name]: 0 for row in own}).keys() == {row[field.name] for row in groups}
            assert sum(row["rows"] for row in groups) == len(own)
