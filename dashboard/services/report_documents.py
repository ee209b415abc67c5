"""What a report says as a document: every word and figure of it, ready to be typeset."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from dashboard import clock, money
from dashboard.clock import Span
from dashboard.queries.reports import Bounds, Row, Total
from dashboard.services import report_definitions, report_tables
from dashboard.services.report_definitions import Definition, Field, FieldKind, Filter, Operation, Subject
from dashboard.services.report_tables import CellKind, Table

NO_ACTIVITY = "No activity"
_NOTHING = "–"
_FIGURES = {FieldKind.NUMBER, FieldKind.AMOUNT, FieldKind.ID}
_LANDSCAPE_FROM = 7
"""Tables of so many columns lie on their side."""
_SAYS = {Operation.IS: ":", Operation.HAS: " contains", Operation.LEAST: " from", Operation.MOST: " to"}

Section = dict[str, Any]


class House(Protocol):
    """Of an operator, what its documents say."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def timezone(self) -> str:
        """Whose days and times these are."""

    @property
    def is_play(self) -> bool:
        """Whether it is about play money."""


def about(title: str, definition: Definition, subject: Subject, bounds: Bounds) -> list[tuple[str, str]]:
    """What a report is of: its name, its period, how it is grouped, and its filters."""
    said = [("Report", title)]
    if subject.is_dated:
        said.append(("Period", span_words(bounds.span, bounds.timezone)))
    if definition.group:
        keys = report_definitions.keys(definition, subject)
        said.append(("Grouped by", ", ".join(each.label for each in keys)))
    if definition.filters:
        said.append(("Filters", "; ".join(_filter_words(each, subject) for each in definition.filters)))
    return said


def data_of(
    title: str,
    definition: Definition,
    subject: Subject,
    bounds: Bounds,
    *,
    rows: Sequence[Row],
    totals: Sequence[Total],
    house: House,
    made_by: str,
    made_at: dt.datetime,
) -> dict[str, Any]:
    """All that the layout asks for. `rows` by the names of their fields."""
    shown = report_definitions.shown(definition, subject)
    is_wide = len(shown) >= _LANDSCAPE_FROM
    facts = [[label, words] for label, words in about(title, definition, subject, bounds)[1:]]
    sections = [_totals(totals, shown, is_wide=is_wide)] if totals and rows else []
    sections.append(rows_section("Rows", rows, shown, house.timezone, is_wide=is_wide))
    return frame(
        title,
        subject.about,
        [*facts, ["Rows", f"{len(rows):,}"]],
        sections,
        is_wide=is_wide,
        house=house,
        made_by=made_by,
        made_at=made_at,
    )


def frame(
    title: str,
    lead: str,
    facts: Sequence[list[str]],
    sections: Sequence[Section],
    *,
    is_wide: bool,
    house: House,
    made_by: str,
    made_at: dt.datetime,
) -> dict[str, Any]:
    """A document of sections, with what every one says of itself."""
    made = f"{clock.local(made_at, house.timezone):%Y-%m-%d %H:%M %z}, {made_by}"
    return {
        "title": title,
        "lead": lead,
        "operator": house.name,
        "notice": "Play money" if house.is_play else "",
        "facts": [*facts, ["Made", made]],
        "running": title,
        "foot": f"Made {made}. Times are in {house.timezone}.",
        "is_wide": is_wide,
        "sections": list(sections),
    }


def rows_section(
    title: str, rows: Sequence[Row], shown: Sequence[Field], zone: str, *, is_wide: bool
) -> Section:
    """Rows of a report as a section, which says so where there are none. On its side it fills the page."""
    if not rows:
        return {"title": title, "heads": [], "rows": [], "note": NO_ACTIVITY}
    heads = [each.label for each in shown]
    kinds = [_kind(each) for each in shown]
    cells = [[cell(each, row, zone) for each in shown] for row in rows]
    return _section(title, report_tables.fit(heads, kinds, cells, is_wide=is_wide, is_full=is_wide))


def _section(title: str, table: Table) -> Section:
    return {"title": title, "note": "", **asdict(table)}


def _kind(of: Field) -> CellKind:
    if of.kind in _FIGURES:
        return CellKind.FIGURE
    return CellKind.PROSE if of.kind == FieldKind.TEXT else CellKind.WORD


def _totals(totals: Sequence[Total], shown: Sequence[Field], *, is_wide: bool) -> Section:
    sums = [each for each in report_definitions.summed(shown) if each.name in totals[0].sums]
    by_currency = ["Currency"] if totals[0].currency else []

    def figure(total: Total, of: Field) -> str:
        value = total.sums[of.name]
        if value is None:
            return _NOTHING
        return money.show(value, total.currency) if of.kind == FieldKind.AMOUNT else _whole(value)

    rows = [
        [
            *([total.currency] if by_currency else []),
            f"{total.rows:,}",
            *(figure(total, each) for each in sums),
        ]
        for total in totals
    ]
    heads = [*by_currency, "Rows", *(each.label for each in sums)]
    kinds = [*(CellKind.WORD for _ in by_currency), CellKind.FIGURE, *(CellKind.FIGURE for _ in sums)]
    return _section("Totals", report_tables.fit(heads, kinds, rows, is_wide=is_wide, is_full=False))


def cell(of: Field, row: Mapping[str, Any], zone: str) -> str:
    """One figure or word as a person reads it."""
    value = row[of.name]
    if value is None or value == "":
        return _NOTHING
    if of.kind == FieldKind.AMOUNT:
        return money.show(value, row["currency"])
    written = {
        FieldKind.NUMBER: lambda: _whole(value),
        FieldKind.TIME: lambda: f"{clock.local(value, zone):%Y-%m-%d %H:%M:%S}",
        FieldKind.DAY: lambda: day_words(value),
        FieldKind.CHOICE: lambda: _choice_words(of, value),
    }
    return written.get(of.kind, lambda: str(value))()


def _whole(number: int) -> str:
    return f"{number:,}".replace("-", "−")


def day_words(day: dt.date) -> str:
    """`2 Mar 2026`."""
    return f"{day.day} {day:%b %Y}"


def span_words(span: Span, zone: str) -> str:
    """`1 Feb 2026 to 2 Mar 2026`: both days belong to it; with times where it is not of whole days."""
    start, end = (clock.local(at, zone) for at in span)
    if start.time() == end.time() == dt.time.min:
        last = end.date() - dt.timedelta(days=1)
        first = day_words(start.date())
        return first if last == start.date() else f"{first} to {day_words(last)}"
    return f"{day_words(start.date())}, {start:%H:%M} to {day_words(end.date())}, {end:%H:%M}"


def _filter_words(one: Filter, subject: Subject) -> str:
    found = subject.find(one.field)
    if found is None:
        return f"{one.field}{_SAYS[one.operation]} {one.value}"
    value = _choice_words(found, one.value) if found.kind == FieldKind.CHOICE else one.value
    return f"{found.label}{_SAYS[one.operation]} {value}"


def _choice_words(of: Field, value: str) -> str:
    return value.replace("_", " ").capitalize() if of.choices else value
