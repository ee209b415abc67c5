"""What a report says as a document."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dashboard.clock import Span
from dashboard.queries import report_subjects
from dashboard.queries.reports import Bounds, Total
from dashboard.services import documents, report_documents, report_tables
from dashboard.services.report_definitions import Definition, FieldKind, Filter, Operation
from dashboard.services.report_tables import CellKind

SUBJECT = report_subjects.CHANGES.subject
ZONE = "Europe/Malta"
AT = dt.datetime(2026, 3, 2, 12, 0, 5, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    """An instant in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


SAMPLES: Mapping[FieldKind, object] = {
    FieldKind.TEXT: "CUSTOMER_000042",
    FieldKind.CHOICE: "bonus_conversion",
    FieldKind.ID: 123_456,
    FieldKind.NUMBER: 1_000,
    FieldKind.AMOUNT: -123_456_789,
    FieldKind.TIME: AT,
    FieldKind.DAY: AT.date(),
}
WITHIN = Bounds(1, ZONE, "USD", Span(at("2026-01-31T23:00"), at("2026-03-01T23:00")))


@dataclass(frozen=True)
class House:
    """Whose report it is."""

    name: str = "Harbour Games"
    timezone: str = ZONE
    is_play: bool = True


def made(definition: Definition, rows: list[dict[str, Any]], totals: list[Total]) -> dict[str, Any]:
    """The document."""
    return report_documents.data_of(
        "My report",
        definition,
        SUBJECT,
        WITHIN,
        rows=rows,
        totals=totals,
        house=House(),
        made_by="Bo Lindqvist",
        made_at=AT,
    )


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("real", -123_456, "−1,234.56"),
        ("at", AT, "2026-03-02 13:00:05"),
        ("day", dt.date(2026, 3, 2), "2 Mar 2026"),
        ("type", "bonus_grant", "Bonus grant"),
        ("currency", "USD", "USD"),
        ("risk", 1_000, "1,000"),
        ("player_id", 1_000, "1000"),
        ("reason", "#let x = 1", "#let x = 1"),
        ("reference", None, "–"),
    ],
)
def test_cells_are_as_people_read_them(name: str, value: object, written: str) -> None:
    field = SUBJECT.find(name)
    assert field is not None
    assert report_documents.cell(field, {"currency": "USD", name: value}, ZONE) == written


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-01-31T23:00", "2026-03-01T23:00", "1 Feb 2026 to 1 Mar 2026"),
        ("2026-03-01T23:00", "2026-03-02T23:00", "2 Mar 2026"),
        ("2026-03-01T14:00", "2026-03-02T14:00", "1 Mar 2026, 15:00 to 2 Mar 2026, 15:00"),
        # The clocks went forward within it.
        ("2026-03-28T23:00", "2026-03-29T22:00", "29 Mar 2026"),
    ],
)
def test_both_days_of_a_period_belong_to_it(start: str, end: str, words: str) -> None:
    assert report_documents.span_words(Span(at(start), at(end)), ZONE) == words


def test_an_empty_report_says_no_activity() -> None:
    data = made(Definition("balance-changes"), [], [])
    assert [(each["title"], each["rows"], each["note"]) for each in data["sections"]] == [
        ("Rows", [], "No activity")
    ]
    assert ["Period", "1 Feb 2026 to 1 Mar 2026"] in data["facts"]
    assert data["notice"] == "Play money"


def test_title_filters_grouping_and_totals_stand_on_it() -> None:
    definition = Definition(
        "balance-changes",
        columns=("real",),
        filters=(Filter("type", Operation.IS, "deposit"), Filter("player", Operation.HAS, "ann")),
        group=("type",),
    )
    rows = [{"type": "deposit", "currency": "USD", "rows": 3, "real": 30_000}]
    data = made(definition, rows, [Total("USD", 3, {"real": 30_000})])
    assert data["title"] == "My report"
    assert ["Grouped by", "Type, Currency"] in data["facts"]
    assert ["Filters", "Type: Deposit; Player contains ann"] in data["facts"]
    totals, found = data["sections"]
    assert (totals["heads"], totals["rows"]) == (
        ["Currency", "Rows", "Real change"],
        [["USD", "3", "300.00"]],
    )
    assert found["rows"] == [["Deposit", "USD", "3", "300.00"]]
    assert documents.typeset(documents.REPORT, data, made_at=AT).startswith(b"%PDF-")


def test_a_document_can_be_made_at_any_instant() -> None:
    data = made(Definition("balance-changes"), [], [])
    pdf = documents.typeset(documents.REPORT, data, made_at=AT.replace(microsecond=123_456))
    assert pdf.startswith(b"%PDF-")


def table(*rows: list[str], kinds: list[CellKind], is_wide: bool = True) -> report_tables.Table:
    """These rows on a page of their own."""
    heads = [f"Head {number}" for number in range(len(kinds))]
    return report_tables.fit(heads, kinds, rows, is_wide=is_wide, is_full=True)


def test_letters_become_smaller_before_figures_are_cut() -> None:
    few = table(["1,234.00", "Ann"], kinds=[CellKind.FIGURE, CellKind.PROSE])
    many = table(["-1,234,567,890.00"] * 10, kinds=[CellKind.FIGURE] * 10)
    assert (few.size, many.size) == (9.0, 7.5)
    assert sum(many.widths) <= 751
    assert few.rows == [["1,234.00", "Ann"]]


def test_prose_gives_way_and_figures_do_not() -> None:
    kinds = [CellKind.FIGURE, CellKind.PROSE, CellKind.WORD]
    narrow, long = "A few words. " * 3, "A few words. " * 30
    short, wide = (table(["1,234.00", prose, "Deposit"], kinds=kinds) for prose in (narrow, long))
    assert short.size == wide.size == 9.0
    assert short.widths == wide.widths
    assert wide.rows[0][1] == long, "it breaks between words by itself"


def test_a_word_that_is_longer_than_its_column_can_be_broken() -> None:
    name = "CUSTOMER_0042-" + "x" * 60
    found = table([name, *["1,234,567.00"] * 12], kinds=[CellKind.PROSE, *[CellKind.FIGURE] * 12])
    cell = found.rows[0][0]
    assert cell.replace("\u200b", "") == name
    assert cell.startswith("CUSTOMER_\u200b0042-\u200bx")
    limit = (found.widths[0] * 751 / sum(found.widths) - 2 * found.gap) / found.size
    assert all(len(piece) * 0.5 <= limit for piece in cell.split("\u200b"))


def test_upright_a_small_table_is_no_wider_than_it_must_be() -> None:
    small = report_tables.fit(
        ["Side", "Holds"],
        [CellKind.WORD, CellKind.FIGURE],
        [["House", "1.00"]],
        is_wide=False,
        is_full=False,
    )
    assert small.widths == []


def test_every_column_at_once_fits_a_page() -> None:
    everything = tuple(each.name for each in SUBJECT.fields)
    row = {each.name: SAMPLES[each.kind] for each in SUBJECT.fields} | {"currency": "USD"}
    data = made(Definition("balance-changes", columns=everything), [row], [])
    (section,) = data["sections"]
    assert len(section["heads"]) == 20
    assert sum(section["widths"]) <= 751
    assert documents.typeset(documents.REPORT, data, made_at=AT).startswith(b"%PDF-")
