"""Definitions of reports: read as they were written, refused at their field, and never any SQL."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import psycopg

from dashboard.clock import Span
from dashboard.errors import PurserError, Rejected
from dashboard.queries import report_subjects, reports
from dashboard.queries.reports import Bounds
from dashboard.services import report_definitions
from dashboard.services.report_definitions import (
    Choice,
    Definition,
    FieldKind,
    Filter,
    Operation,
    PeriodKind,
    Problem,
)

CHANGES = report_subjects.CHANGES.subject
NOW = dt.datetime(2026, 3, 2, 13, tzinfo=dt.UTC)
ZONE = "Europe/Malta"
DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own has no types
WITHIN = Bounds(1, ZONE, "USD", Span(NOW - dt.timedelta(days=1), NOW))
DAYS = st.dates(dt.date(1971, 1, 1), dt.date(2100, 1, 1))
NAMES = st.sampled_from(sorted(report_subjects.SOURCES))
HOSTILE = st.one_of(
    st.text(min_size=1, max_size=60),
    st.sampled_from(
        ["' OR 1=1 --", '"; DROP TABLE players', "real) FROM logins --", "%(operator)s", ":operator", "\\"]
    ),
)


def definitions(text: st.SearchStrategy[str]) -> st.SearchStrategy[Definition]:
    """Anything of the shape of a definition, sensible or not."""
    filters = st.builds(Filter, text, st.sampled_from(Operation), text)
    period = st.builds(Choice, st.sampled_from(PeriodKind), st.none() | DAYS, st.none() | DAYS)
    texts = st.lists(text, max_size=4).map(tuple)
    return st.builds(Definition, text, texts, st.lists(filters, max_size=4).map(tuple), texts, period)


def sql_of(definition: Definition) -> str:
    """The text that the database gets."""
    return str(reports.listing(definition, WITHIN).statement.compile(dialect=DIALECT))


@given(definitions(HOSTILE))
def test_what_is_written_is_read_again(definition: Definition) -> None:
    written = report_definitions.write(definition)
    again = report_definitions.read(written)
    assert again.filters == tuple(sorted(definition.filters))
    assert (again.subject, again.columns, again.group) == (
        definition.subject,
        definition.columns,
        definition.group,
    )
    assert again.period == definition.period
    assert report_definitions.write(again) == written


def test_filters_stand_in_one_order() -> None:
    one, other = Filter("type", Operation.IS, "deposit"), Filter("currency", Operation.IS, "USD")
    assert report_definitions.write(Definition("x", filters=(one, other))) == report_definitions.write(
        Definition("x", filters=(other, one))
    )


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_nothing_else_is_read(text: str) -> None:
    with pytest.raises(Rejected):
        report_definitions.read(text)


@pytest.mark.parametrize(
    "broken",
    [
        {"columns": "real"},
        {"columns": [1]},
        {"filters": [["real", "like", "x"]]},
        {"filters": [["real", "is"]]},
        {"period": {"kind": "ever"}},
        {"period": {"kind": "custom", "first": "2026-02-31"}},
        {"subject": None},
    ],
)
def test_another_shape_is_refused(broken: dict[str, object]) -> None:
    whole = json.loads(report_definitions.write(Definition("balance-changes")))
    with pytest.raises(Rejected):
        report_definitions.read(json.dumps({**whole, **broken}))


@given(definitions(HOSTILE), NAMES)
def test_names_that_are_not_in_the_catalogue_make_no_statement(definition: Definition, name: str) -> None:
    subject = report_subjects.SOURCES[name].subject
    known = {each.name for each in subject.fields}
    odd = Definition(name, definition.columns, definition.filters, definition.group)
    has_odd = any(each not in known for each in (*odd.columns, *odd.group)) or any(
        each.field not in known for each in odd.filters
    )
    if has_odd:
        with pytest.raises(PurserError):
            reports.listing(odd, WITHIN)


@given(NAMES, st.data())
def test_what_is_typed_never_stands_in_a_statement(name: str, data: st.DataObject) -> None:
    """Whatever a filter looks for, the statement is letter for letter the same."""
    subject = report_subjects.SOURCES[name].subject
    texts = [each for each in subject.fields if each.kind == FieldKind.TEXT]
    if not texts:
        return
    field = data.draw(st.sampled_from(texts))
    typed = data.draw(HOSTILE.filter(lambda text: bool(text.strip()) and "\0" not in text))
    group = data.draw(
        st.sampled_from([(), tuple(each.name for each in subject.fields if each.can_group)[:3]])
    )
    found, plain = (
        sql_of(Definition(name, filters=(Filter(field.name, Operation.HAS, value),), group=group))
        for value in (typed, "a")
    )
    assert found == plain


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_every_source_names_its_operator_and_binds_it(name: str) -> None:
    source = report_subjects.SOURCES[name]
    statement = reports.listing(report_definitions.usual(source.subject), WITHIN).statement
    assert statement.compile(dialect=DIALECT).params["operator"] == 1
    assert ":operator" in source.sql


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_the_catalogue_holds_together(name: str) -> None:
    subject = report_subjects.SOURCES[name].subject
    names = [each.name for each in subject.fields]
    assert len(set(names)) == len(names)
    assert set(subject.usual_group) <= {each.name for each in subject.fields if each.can_group}
    if any(each.kind == FieldKind.AMOUNT for each in subject.fields):
        assert subject.has_currency
    assert len(name) <= 31, "a sheet of a workbook has its name"


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (Definition("balance-changes", ("real", "secret")), ("columns", "There is no such column any more.")),
        (Definition("balance-changes", group=("reason",)), ("group", "Reports cannot be grouped by that.")),
        (
            Definition("balance-changes", group=("day", "week", "month", "type", "by")),
            ("group", "Group by at most 4 things."),
        ),
        (
            Definition("balance-changes", filters=(Filter("real", Operation.LEAST, "10"),)),
            ("least_real", "Choose a currency too: an amount is one of a currency."),
        ),
        (
            Definition(
                "balance-changes",
                filters=(Filter("currency", Operation.IS, "JPY"), Filter("real", Operation.MOST, "1.5")),
            ),
            ("most_real", "JPY amounts have no decimals."),
        ),
        (
            Definition("balance-changes", filters=(Filter("player_id", Operation.IS, "1e5"),)),
            ("is_player_id", "Enter a whole number."),
        ),
        (
            Definition("balance-changes", filters=(Filter("player_id", Operation.IS, str(2**63)),)),
            ("is_player_id", "Enter a smaller number."),
        ),
        (
            Definition("balance-changes", filters=(Filter("type", Operation.IS, "theft"),)),
            ("is_type", "Choose one of the list."),
        ),
        (
            Definition("balance-changes", filters=(Filter("reason", Operation.HAS, "x" * 101),)),
            ("has_reason", "Look for at most 100 characters."),
        ),
        (
            Definition("balance-changes", filters=(Filter("reason", Operation.HAS, "a\0b"),)),
            ("has_reason", "Enter what to look for."),
        ),
        (
            Definition("balance-changes", filters=(Filter("reason", Operation.LEAST, "a"),)),
            ("least_reason", "There is no such filter any more."),
        ),
        (
            Definition("balance-changes", period=Choice(PeriodKind.CUSTOM, dt.date(2026, 3, 2))),
            ("until", "Enter both days."),
        ),
        (
            Definition(
                "balance-changes", period=Choice(PeriodKind.CUSTOM, dt.date(2026, 3, 2), dt.date(2026, 3, 1))
            ),
            ("until", "The period ends before it begins."),
        ),
        (Definition("alerts"), ("subject", "There is no such subject.")),
    ],
)
def test_what_cannot_be_had_says_so_at_its_field(definition: Definition, problem: tuple[str, str]) -> None:
    assert report_definitions.problems(definition, CHANGES) == [Problem(*problem)]
    with pytest.raises(Rejected) as refused:
        report_definitions.check(definition, CHANGES)
    assert (refused.value.field, refused.value.message) == problem


def utc(text: str) -> dt.datetime:
    """An instant."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        # 2 March 2026 is a Monday; Malta is an hour ahead.
        (PeriodKind.TODAY, "2026-03-01T23:00", "2026-03-02T23:00"),
        (PeriodKind.YESTERDAY, "2026-02-28T23:00", "2026-03-01T23:00"),
        (PeriodKind.LAST_WEEK, "2026-02-22T23:00", "2026-03-01T23:00"),
        (PeriodKind.LAST_MONTH, "2026-01-31T23:00", "2026-02-28T23:00"),
        (PeriodKind.DAILY, "2026-03-01T14:00", "2026-03-02T14:00"),
        (PeriodKind.WEEKLY, "2026-02-23T23:00", "2026-03-02T23:00"),
        (PeriodKind.YEARLY, "2025-03-31T22:00", "2026-03-31T22:00"),
    ],
)
def test_periods_are_of_the_operators_calendar(kind: PeriodKind, start: str, end: str) -> None:
    assert report_definitions.span(Choice(kind), now=NOW, zone=ZONE) == Span(utc(start), utc(end))


def test_both_days_of_a_custom_period_belong_to_it() -> None:
    # The clocks went forward on 29 March: that day has 23 hours.
    day = dt.date(2026, 3, 29)
    found = report_definitions.span(Choice(PeriodKind.CUSTOM, day, day), now=NOW, zone=ZONE)
    assert found == Span(utc("2026-03-28T23:00"), utc("2026-03-29T22:00"))


def test_groups_show_what_they_are_of_then_the_sums_by_currency() -> None:
    definition = Definition("balance-changes", columns=("reason", "real"), group=("type", "day"))
    shown = report_definitions.shown(definition, CHANGES)
    assert [each.name for each in shown] == ["type", "day", "currency", "rows", "real"]


def test_columns_come_in_the_order_of_the_catalogue() -> None:
    definition = Definition("balance-changes", columns=("real", "at"))
    assert [each.name for each in report_definitions.shown(definition, CHANGES)] == ["at", "real"]
