"""What a statement's document says, and that it is typeset whatever stands in it."""

import datetime as dt
import re
from dataclasses import replace
from typing import Any

import pytest

from dashboard.models.operator import MoneyMode
from dashboard.queries.statements import (
    DayRow,
    EarningRow,
    LineRow,
    Signatures,
    Statement,
    StatementRow,
    Sums,
)
from dashboard.services import documents
from dashboard.services.sessions import OperatorFacts
from dashboard.views import statement_document
from dashboard.views.statement_document import Content

AT = dt.datetime(2026, 4, 3, 22, 30, tzinfo=dt.UTC)
OPERATOR = OperatorFacts(
    id=1,
    slug="harbour",
    name="Harbour Games",
    currency="USD",
    timezone="Europe/Malta",
    money=MoneyMode.PLAY,
    has_demo_sign_ins=False,
)
NONE = Sums(0, 0, 0, 0, 0)
HEAD = StatementRow(
    id=17,
    partner_id=3,
    currency="USD",
    month=dt.date(2026, 3, 1),
    state="payable",
    rows=4,
    bets=5_000_00,
    payouts=3_000_00,
    profit=2_000_00,
    opening=12_50,
    earned=195_00,
    written_off=10_00,
    closing=217_50,
    minimum=50_00,
    payable=217_50,
    carried=0,
    closed_at=AT,
    decided_at=AT + dt.timedelta(hours=1),
    paid_at=None,
)
FIRST = LineRow(1, "period", 3, 4_000_00, 4_100_00, -100_00, -10_00, 0, 10_00)
SECOND = LineRow(2, "carry", 1, 1_000_00, -1_100_00, 2_100_00, 205_00, -5_00, 0)


def content(**changes: Any) -> Content:
    """A statement in two lines with one round that may be seen."""
    made = Content(
        operator=OPERATOR,
        partner_name="Harbour Media",
        statement=Statement(HEAD, [FIRST, SECOND]),
        terms={},
        rounds=[EarningRow(1, 9, 41, 1, dt.date(2026, 3, 4), AT, 7, 1_000_00, 200_00, 800_00, 80_00, True)],
        days=[],
        few=Sums(3, 4_000_00, 2_800_00, 1_200_00, 115_00),
        games={9: "Harbour table"},
    )
    return replace(made, **changes)


def pages(pdf: bytes) -> int:
    """How many pages a document has."""
    return max(int(count) for count in re.findall(rb"/Count (\d+)", pdf))


def typeset(made_from: Content) -> bytes:
    """The document."""
    return documents.typeset(
        documents.STATEMENT, statement_document.data_of(made_from), made_at=made_from.made_at
    )


def test_the_sums_go_from_opening_to_closing() -> None:
    data = statement_document.data_of(content())
    assert data["sums"] == {
        "rows": [
            ["Opening, carried over from the statement before", "12.50"],
            ["Earned by rounds", "200.00"],
            ["Corrections of rounds that had been settled before", "−5.00"],
            ["Losses written off", "10.00"],
        ],
        "total": ["Closing", "217.50"],
    }
    assert data["result"] == {"label": "Payable", "amount": "217.50"}
    assert data["basis"] == "Figures are calculated on the agreed share basis."


def test_rounds_with_few_players_are_one_line_and_all_add_up() -> None:
    rounds = statement_document.data_of(content())["rounds"]
    assert rounds["rows"] == [
        ["4 Mar", "41", "Harbour table", "7", "1,000.00", "200.00", "800.00", "80.00"],
        ["", "", "Rounds with few players: 3", "", "4,000.00", "2,800.00", "1,200.00", "115.00"],
    ]
    assert rounds["total"] == ["All", "", "", "", "5,000.00", "3,000.00", "2,000.00", "195.00"]


def test_share_and_rate_are_named_only_where_the_contract_discloses_them() -> None:
    hidden, named = (
        statement_document.data_of(content(terms=terms))["lines"] for terms in ({}, {2: (3_333, 1_250)})
    )
    assert "Share" not in hidden["heads"]
    assert not re.search("3,?3|12.5", str(hidden["rows"]))
    assert named["heads"][2:4] == ["Share", "Rate"]
    assert [row[2:4] for row in named["rows"]] == [["–", "–"], ["33.33 %", "12.5 %"]]
    assert {len(row) for row in [named["heads"], *named["rows"], named["total"]]} == {11}


def test_people_are_named_to_the_desk_alone() -> None:
    signed = Signatures(3, "Harbour Media", "Anna Berg", "Ben Falk", "Looked at it")
    assert dict(statement_document.data_of(content(signatures=signed))["facts"])["Approved"].endswith(
        "Ben Falk"
    )
    assert dict(statement_document.data_of(content())["facts"])["Approved"] == "4 Apr 2026, 01:30"


def test_what_is_below_the_minimum_goes_to_the_next_one() -> None:
    head = replace(HEAD, state="rolled_over", closing=20_00, payable=0, carried=20_00)
    data = statement_document.data_of(content(statement=Statement(head, [])))
    assert data["result"] == {"label": "Carried over", "amount": "20.00"}
    assert data["notes"] == ["A statement is payable from 50.00 USD on. The next one begins with 20.00 USD."]


def test_a_declined_one_lists_no_rounds() -> None:
    data = statement_document.data_of(
        content(statement=Statement(replace(HEAD, state="declined"), []), few=NONE)
    )
    assert data["rounds"]["rows"] == []


@pytest.mark.parametrize(
    "name", ['#panic("no")', "*bold* $x$ \\ @ref <label>", "李 Москва 🎲", '"; #read("/etc/passwd")']
)
def test_whatever_a_name_is_it_is_text(name: str) -> None:
    pdf = typeset(content(partner_name=name, games={9: name}))
    assert pdf.startswith(b"%PDF")
    assert pages(pdf) == 1


def test_a_long_one_goes_over_several_pages_and_a_very_long_one_has_days() -> None:
    [played] = content().rounds
    assert pages(typeset(content(rounds=[played] * 200))) > 3
    days = [DayRow(dt.date(2026, 3, day), 400, 1_00, 0, 1_00, 10) for day in range(1, 32)]
    data = statement_document.data_of(content(rounds=[], days=days))["rounds"]
    assert [len(row) for row in [data["heads"], data["total"], *data["rows"]]] == [6] * 34
    assert pages(typeset(content(rounds=[], days=days))) == 2


def test_the_same_statement_is_the_same_file() -> None:
    assert typeset(content()) == typeset(content())
