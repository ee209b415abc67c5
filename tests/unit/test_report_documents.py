"""What a report says as a document."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest

from dashboard.clock import Span
from dashboard.queries import report_subjects
from dashboard.queries.reports import Bounds, Total
from dashboard.services import documents, report_documents
from dashboard.services.report_definitions import Definition, Filter, Operation

SUBJECT = report_subjects.CHANGES.subject
ZONE = "Europe/Malta"
AT = dt.datetime(2026, 3, 2, 12, 0, 5, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    """An instant in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


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
