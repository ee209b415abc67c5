"""Rule sets as people read them: names of periods and openings, ratios, edges under their columns."""

from fractions import Fraction

import pytest

from dashboard.services import rule_set_tables
from dashboard.services.rule_sets import SHIPPED, First, Pays, PaysBy, Rules

NINE_TENTHS = (Fraction(9, 10), Fraction(1))


@pytest.mark.parametrize(
    ("after", "periods", "words"),
    [
        (0, {0}, "any card"),
        (0, {0, 1}, "card 1"),
        (0, {0, 2, 4}, "cards 1–2"),
        (2, {0, 2, 4}, "cards 3–4"),
        (2, {0, 2, 3}, "card 3"),
        (4, {0, 2, 4}, "card 5 on"),
    ],
)
def test_periods_are_named_by_their_cards(after: int, periods: set[int], words: str) -> None:
    assert rule_set_tables.span(after, periods) == words


@pytest.mark.parametrize(
    ("cards", "words"), [(0, "before any card"), (1, "after 1 card"), (2, "after 2 cards")]
)
def test_openings_are_named_by_what_lies_there(cards: int, words: str) -> None:
    assert rule_set_tables.opening(cards) == words


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        ("0", "0"),
        ("1", "1"),
        ("10", "10"),
        ("9/10", "0.9"),
        ("1/10000", "0.0001"),
        ("1/3", "1/3"),
        ("100", "100"),
        ("123.4567", "123.4567"),
    ],
)
def test_ratios_are_decimals_where_that_is_exact(ratio: str, text: str) -> None:
    assert rule_set_tables.to_one(Fraction(ratio)) == text


def shown(rules: Rules) -> list[tuple[list[str], list[str]]]:
    """The edges of both columns, stage by stage."""
    return [
        ([edge.percent for edge in left], [edge.percent for edge in right])
        for left, right in (table.edges for table in rule_set_tables.tables(rules))
    ]


def by_order(first: First, **given: object) -> Rules:
    return Rules(first, (0,), PaysBy.ORDER, (Pays(1, 0, NINE_TENTHS),), **given)  # type: ignore[arg-type]


def test_each_edge_stands_under_the_column_that_it_is_paid_by() -> None:
    assert shown(SHIPPED["three-stage"]) == [(["3.001 %"], ["2.881 %"]), (["3.126 %"], ["2.996 %"])]
    for first in First:
        assert shown(by_order(first)) == [(["2.149 %"], ["3.001 %"])]


def test_where_one_sees_who_is_dealt_first_a_column_has_an_edge_for_each_case() -> None:
    rules = Rules(First.JOKER_COLOUR, (0,), PaysBy.SIDE, (Pays(1, 0, NINE_TENTHS),))

    assert shown(rules) == [(["2.149 %", "7.851 %"], ["−3.001 %", "3.001 %"])]


def test_where_nobody_knows_it_both_columns_share_one_edge() -> None:
    hidden = by_order(First.JOKER_COLOUR, side_bets=(("red", Fraction(9, 10)),))

    assert shown(hidden) == [(["2.575 %"], ["2.575 %"])]


def test_stages_hold_their_own_periods_only() -> None:
    first, second = rule_set_tables.tables(SHIPPED["three-stage"])

    assert [line.cards for line in first.lines] == ["cards 1–2", "cards 3–4", "card 5 on"]
    assert [line.cards for line in second.lines] == ["cards 3–4", "card 5 on"]
    assert (first.opens, second.opens) == ("before any card", "after 2 cards")


def test_side_bets_say_what_would_be_fair_whether_they_are_on_or_off() -> None:
    on = by_order(First.ANDAR, side_bets=(("hearts", Fraction(14, 5)),))

    found = {bet.selection: bet for bet in rule_set_tables.side_bets(on)}

    assert len(found) == len(rule_set_tables.side_bets(None)) == 14
    assert (found["hearts"].fair, found["hearts"].pays) == (Fraction(3), Fraction(14, 5))
    assert found["hearts"].edge is not None
    assert found["hearts"].edge.percent == "5.000 %"
    assert found["red"].fair == 1
    assert found["red"].pays is None
    assert found["red"].edge is None
    assert found["1-5"].fair_about == "2.69"
