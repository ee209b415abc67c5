"""Rule sets: exact edges, what each bet comes to, what is refused, and one way to write them down."""

import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any

import pytest

from dashboard.errors import Rejected
from dashboard.models.game import BetState, Side
from dashboard.services import andar_bahar, rule_sets
from dashboard.services.rule_sets import MARKETS, SHIPPED, First, Pays, PaysBy, Rules

EVEN, NOTHING = Fraction(1), Fraction(0)
BLACK_ACE, RED_ACE = andar_bahar.parse("AC"), andar_bahar.parse("AD")


def simple(
    first: First = First.ANDAR, *, andar: Fraction = EVEN, bahar: Fraction = EVEN, **given: Any
) -> Rules:
    return Rules(first, (0,), PaysBy.SIDE, (Pays(1, 0, (andar, bahar)),), **given)


def changed(rules: Rules, **changes: Any) -> str:
    """The definition with other values in places."""
    return json.dumps(json.loads(rule_sets.write(rules)) | changes)


@pytest.mark.parametrize(
    ("name", "edges"),
    [
        ("even", [("andar", 1, None, Fraction(-25, 833)), ("bahar", 1, None, Fraction(25, 833))]),
        ("standard", [("andar", 1, None, Fraction(179, 8330)), ("bahar", 1, None, Fraction(25, 833))]),
        (
            "colour start",
            [
                ("andar", 1, True, Fraction(179, 8330)),
                ("andar", 1, False, Fraction(25, 833)),
                ("bahar", 1, True, Fraction(179, 8330)),
                ("bahar", 1, False, Fraction(25, 833)),
            ],
        ),
        (
            "three-stage",
            [
                ("andar", 1, None, Fraction(25, 833)),
                ("bahar", 1, None, Fraction(24, 833)),
                ("andar", 2, None, Fraction(72, 2303)),
                ("bahar", 2, None, Fraction(69, 2303)),
            ],
        ),
    ],
)
def test_the_shipped_rule_sets_have_the_edges_of_the_table(
    name: str, edges: list[tuple[str, int, bool | None, Fraction]]
) -> None:
    found = SHIPPED[name].edges()

    assert [(edge.selection, edge.stage, edge.is_first, edge.value) for edge in found] == edges


def test_edges_are_read_as_percent() -> None:
    percents = {name: [edge.percent for edge in rules.edges()] for name, rules in SHIPPED.items()}

    assert percents == {
        "even": ["−3.001 %", "3.001 %"],
        "standard": ["2.149 %", "3.001 %"],
        "colour start": ["2.149 %", "3.001 %", "2.149 %", "3.001 %"],
        "three-stage": ["3.001 %", "2.881 %", "3.126 %", "2.996 %"],
    }
    assert [edge.label for edge in SHIPPED["colour start"].edges()][:2] == [
        "Andar, dealt first",
        "Andar, dealt second",
    ]


def three_stage_from_andar() -> Rules:
    shipped = SHIPPED["three-stage"]
    return Rules(First.ANDAR, shipped.stages, shipped.pays_by, shipped.pays)


def test_even_money_and_three_stages_from_andar_are_losing() -> None:
    losing = {
        name: {(edge.selection, edge.stage) for edge in rule_sets.losing(rules)}
        for name, rules in [*SHIPPED.items(), ("andar first", three_stage_from_andar())]
    }

    assert losing == {
        "even": {("andar", 1)},
        "standard": set(),
        "colour start": set(),
        "three-stage": set(),
        "andar first": {("andar", 1), ("andar", 2)},
    }


def test_an_edge_of_nothing_is_not_losing_and_of_a_tenth_not_high() -> None:
    fair = simple(andar=Fraction(833, 429) - 1, bahar=Fraction(833, 404) - 1)
    assert [edge.value for edge in fair.edges()] == [0, 0]
    assert (rule_sets.losing(fair), rule_sets.high(fair)) == ((), ())

    dear = simple(andar=Fraction(9, 10) * Fraction(833, 429) - 1, bahar=Fraction(8, 10))
    assert dear.edge("andar", 1) == Fraction(1, 10)
    assert [edge.selection for edge in rule_sets.high(dear)] == ["bahar"]


@cache
def ways() -> Counter[int]:
    """N over the 20,825 ways in which the three other cards of the joker's rank can lie."""
    return Counter(first for first, _, _ in combinations(range(1, 52), 3))


def counted_edge(rules: Rules, selection: str, stage: int, jokers: list[int]) -> Fraction:
    """The edge by going through every deal that reaches the stage, paid as `outcomes` says."""
    returned, deals = Fraction(0), 0
    opens = rules.stages[stage - 1]
    for joker in jokers:
        first = rules.first_side(joker)
        paid: dict[int, Fraction] = {}
        for length in range(opens + 1, 50):
            winner = first if length % 2 else andar_bahar.other(first)
            (outcome,) = [
                outcome
                for outcome in rules.outcomes(joker=joker, winner=winner, cards_dealt=length)
                if (outcome.selection, outcome.stage) == (selection, stage)
            ]
            is_lost = outcome.state == BetState.LOST
            paid[length] = Fraction(0) if is_lost else 1 + Fraction(outcome.numerator, outcome.denominator)
        returned += sum((paid[length] * ways()[length] for length in paid), Fraction(0))
        deals += sum(ways()[length] for length in paid)
    return 1 - returned / deals


SIDE_BETS = (
    *((colour, Fraction(9, 10)) for colour in MARKETS["colour"]),
    *((suit, Fraction(28, 10)) for suit in MARKETS["suit"]),
    *zip(MARKETS["count"], map(Fraction, (2, 3, 4, 4, 13, 21, 45, 90)), strict=True),
)


def every_kind() -> Iterator[Rules]:
    yield from SHIPPED.values()
    yield three_stage_from_andar()
    yield simple(First.JOKER_COLOUR, andar=Fraction(7, 10), bahar=Fraction(6, 5))
    yield simple(First.JOKER_COLOUR, andar=Fraction(7, 10), side_bets=SIDE_BETS)
    three = Rules(
        First.JOKER_COLOUR,
        (0, 3, 10),
        PaysBy.ORDER,
        tuple(
            Pays(stage, after, (Fraction(stage, 3), Fraction(after + 1, 12)))
            for stage, after in ((1, 0), (1, 3), (1, 7), (1, 10), (2, 3), (2, 7), (2, 10), (3, 10))
        ),
        SIDE_BETS[:1] + SIDE_BETS[8:9],
    )
    yield three


@pytest.mark.parametrize("rules", [*every_kind()])
def test_edges_are_what_settling_every_possible_deal_comes_to(rules: Rules) -> None:
    every_suit = [suit * 13 for suit in range(4)]
    for edge in rules.edges():
        jokers = every_suit
        if edge.is_first is not None:
            jokers = [
                joker for joker in every_suit if (rules.first_side(joker) == edge.selection) == edge.is_first
            ]
        assert counted_edge(rules, edge.selection, edge.stage, jokers) == edge.value


def test_a_player_who_sees_the_joker_chooses_the_better_side() -> None:
    seen = simple(First.JOKER_COLOUR)
    assert seen.edge("andar", 1) == Fraction(-25, 833)
    assert {edge.selection for edge in rule_sets.losing(seen)} == {"andar", "bahar"}

    hidden = simple(First.JOKER_COLOUR, side_bets=(("red", Fraction(9, 10)),))
    assert hidden.edge("andar", 1) == 0
    assert [edge.is_first for edge in hidden.edges()] == [None, None, None]


@pytest.mark.parametrize(
    ("on", "hides"),
    [((), False), (("1-5",), False), (("red",), True), (("hearts",), True), (("41-49", "black"), True)],
)
def test_a_bet_on_the_joker_hides_it(on: tuple[str, ...], hides: bool) -> None:
    rules = simple(andar=Fraction(9, 10), side_bets=tuple((name, EVEN) for name in on))

    assert rules.hides_joker == hides
    assert set(rules.selections(1)) == {"andar", "bahar", *on}


def test_black_jokers_start_with_andar_and_red_ones_with_bahar() -> None:
    by_suit = {
        andar_bahar.name(suit * 13): SHIPPED["colour start"].first_side(suit * 13) for suit in range(4)
    }

    assert by_suit == {"AC": Side.ANDAR, "AD": Side.BAHAR, "AH": Side.BAHAR, "AS": Side.ANDAR}
    assert SHIPPED["standard"].first_side(RED_ACE) == Side.ANDAR
    assert SHIPPED["three-stage"].first_side(BLACK_ACE) == Side.BAHAR


THREE_STAGE = {
    # Cards dealt: (selection, stage) → state and what it paid to one. Bahar is dealt first.
    1: {("andar", 1): "lost", ("bahar", 1): "push"},
    2: {("andar", 1): "won", ("bahar", 1): "lost"},
    3: {("andar", 1): "lost", ("bahar", 1): "won", ("andar", 2): "lost", ("bahar", 2): "push"},
    4: {("andar", 1): "won", ("bahar", 1): "lost", ("andar", 2): "won", ("bahar", 2): "lost"},
    5: {("andar", 1): "lost", ("bahar", 1): "won", ("andar", 2): "lost", ("bahar", 2): "won"},
    6: {("andar", 1): "won", ("bahar", 1): "lost", ("andar", 2): "won", ("bahar", 2): "lost"},
    49: {("andar", 1): "lost", ("bahar", 1): "won", ("andar", 2): "lost", ("bahar", 2): "won"},
}


@pytest.mark.parametrize("length", THREE_STAGE)
def test_three_stages_are_paid_by_the_stage_of_the_bet_and_the_card_of_the_match(length: int) -> None:
    winner = Side.BAHAR if length % 2 else Side.ANDAR

    found = SHIPPED["three-stage"].outcomes(joker=RED_ACE, winner=winner, cards_dealt=length)

    states = {(outcome.selection, outcome.stage): str(outcome.state) for outcome in found}
    assert states == THREE_STAGE[length]
    paid = {str(outcome.state): (outcome.numerator, outcome.denominator) for outcome in found}
    assert paid.items() <= {"won": (1, 1), "push": (0, 1), "lost": (0, 1)}.items()


@pytest.mark.parametrize(("length", "pays"), [(1, 2), (2, 2), (3, 3), (4, 3), (5, 5), (48, 5), (49, 5)])
def test_a_period_of_the_pay_table_ends_with_the_card_that_it_names(length: int, pays: int) -> None:
    rows = tuple(
        Pays(1, after, (Fraction(ratio), Fraction(ratio))) for after, ratio in ((0, 2), (2, 3), (4, 5))
    )
    rules = Rules(First.ANDAR, (0,), PaysBy.SIDE, rows)
    winner = Side.ANDAR if length % 2 else Side.BAHAR

    won = [
        outcome.numerator
        for outcome in rules.outcomes(joker=BLACK_ACE, winner=winner, cards_dealt=length)
        if outcome.state == BetState.WON
    ]

    assert won == [pays]


@pytest.mark.parametrize(
    ("joker", "winner", "length", "pays"),
    [
        ("AC", "andar", 7, (9, 10)),
        ("AC", "bahar", 8, (1, 1)),
        ("AD", "bahar", 7, (9, 10)),
        ("AD", "andar", 8, (1, 1)),
    ],
)
def test_the_joker_decides_who_is_paid_nine_tenths(
    joker: str, winner: str, length: int, pays: tuple[int, int]
) -> None:
    found = SHIPPED["colour start"].outcomes(
        joker=andar_bahar.parse(joker), winner=Side(winner), cards_dealt=length
    )

    states = {outcome.selection: (outcome.state, outcome.numerator, outcome.denominator) for outcome in found}
    assert states.pop(winner) == (BetState.WON, *pays)
    assert list(states.values()) == [(BetState.LOST, 0, 1)]


@pytest.mark.parametrize(
    ("joker", "length", "true"),
    [
        ("AC", 1, {"black", "clubs", "1-5"}),
        ("KD", 5, {"red", "diamonds", "1-5"}),
        ("TH", 6, {"red", "hearts", "6-10"}),
        ("2S", 25, {"black", "spades", "16-25"}),
        ("2S", 26, {"black", "spades", "26-30"}),
        ("2S", 41, {"black", "spades", "41-49"}),
        ("2S", 49, {"black", "spades", "41-49"}),
    ],
)
def test_of_each_kind_of_side_bet_exactly_one_comes_true(joker: str, length: int, true: set[str]) -> None:
    rules = simple(andar=Fraction(9, 10), side_bets=SIDE_BETS)

    found = rules.outcomes(joker=andar_bahar.parse(joker), winner=Side.ANDAR, cards_dealt=length)

    won = {outcome.selection: outcome for outcome in found if outcome.state == BetState.WON}
    assert set(won) == {"andar", *true}
    assert all(Fraction(won[name].numerator, won[name].denominator) == dict(SIDE_BETS)[name] for name in true)


def test_what_a_bet_can_pay_is_known_beforehand() -> None:
    three_stage, colour = SHIPPED["three-stage"], SHIPPED["colour start"]

    assert three_stage.multipliers("bahar", 1) == {0, 1}
    assert three_stage.multipliers("andar", 2) == {1}
    assert colour.multipliers("andar", 1) == {Fraction(9, 10), 1}
    assert [rules.most("andar", 1) for rules in (three_stage, colour, SHIPPED["standard"])] == [
        1,
        1,
        Fraction(9, 10),
    ]
    assert simple(side_bets=(("1-5", Fraction(2)),)).most("1-5", 1) == 2


@pytest.mark.parametrize(
    ("rules", "selection", "stage"),
    [
        (SHIPPED["standard"], "red", 1),
        (SHIPPED["standard"], "andar", 2),
        (SHIPPED["standard"], "andar", 0),
        (SHIPPED["three-stage"], "bahar", 3),
        (simple(side_bets=(("1-5", EVEN),)), "6-10", 1),
    ],
)
def test_what_is_not_offered_has_no_price(rules: Rules, selection: str, stage: int) -> None:
    assert selection not in rules.selections(stage)
    for ask in (rules.edge, rules.most):
        with pytest.raises(Rejected, match="Nothing can be bet"):
            ask(selection, stage)


def test_side_bets_are_taken_in_the_first_stage_only() -> None:
    shipped = SHIPPED["three-stage"]
    rules = Rules(shipped.first, shipped.stages, shipped.pays_by, shipped.pays, (("1-5", EVEN),))

    assert (rules.selections(1), rules.selections(2)) == (("andar", "bahar", "1-5"), ("andar", "bahar"))


@pytest.mark.parametrize("rules", [*every_kind()])
def test_rules_are_written_in_one_way_and_read_back(rules: Rules) -> None:
    written = rule_sets.write(rules)

    assert rule_sets.read(written) == rules
    assert rule_sets.write(rule_sets.read(json.dumps(json.loads(written), indent=2))) == written
    turned = Rules(rules.first, rules.stages, rules.pays_by, rules.pays[::-1], rules.side_bets[::-1])
    assert (turned, rule_sets.write(turned)) == (rules, written)


STANDARD, THREE = SHIPPED["standard"], SHIPPED["three-stage"]
ROW = {"stage": 1, "after": 0, "andar": [9, 10], "bahar": [1, 1]}


@pytest.mark.parametrize(
    ("definition", "field", "why"),
    [
        ("{", None, "no JSON"),
        ("[]", None, "exactly"),
        (changed(STANDARD, colour="red"), None, "exactly"),
        (changed(STANDARD, first="dealer"), "first", "One of andar, bahar, joker_colour"),
        (changed(STANDARD, first=1), "first", "One of"),
        (changed(STANDARD, pays_by="luck"), "pays_by", "One of side, order"),
        (changed(STANDARD, stages=[]), "stages", "before any card"),
        (changed(STANDARD, stages=[1]), "stages", "before any card"),
        (changed(STANDARD, stages=["0"]), "stages", "whole number"),
        (changed(STANDARD, stages=[False]), "stages", "whole number"),
        (changed(STANDARD, stages=0), "stages", "list"),
        (changed(THREE, stages=[0, 2, 2]), "stages", "more cards than the one before"),
        (changed(THREE, stages=[0, 4, 2]), "stages", "more cards than the one before"),
        (changed(THREE, stages=[0, 49]), "stages", "nothing is left"),
        (changed(THREE, stages=[0, 1, 2, 3, 4]), "stages", "At most 4"),
        (changed(THREE, stages=[0, 3]), "pays", "every stage's opening"),
        (changed(STANDARD, pays=[]), "pays", "every stage's opening"),
        (changed(STANDARD, pays=[ROW, ROW]), "pays", "one row for each stage"),
        (changed(STANDARD, pays=[ROW, {**ROW, "stage": 2}]), "pays", "one row for each stage"),
        (changed(STANDARD, pays=[{**ROW, "after": 2}]), "pays", "every stage's opening"),
        (changed(STANDARD, pays=[ROW, {**ROW, "after": 49}]), "pays", "every stage's opening"),
        (changed(STANDARD, pays=[{**ROW, "after": at} for at in range(7)]), "pays", "at most 5 times"),
        (changed(STANDARD, pays=[{**ROW, "first": [1, 1]}]), "pays", "holds stage, after, andar and bahar"),
        (changed(STANDARD, pays=["andar"]), "pays", "holds stage"),
        (changed(STANDARD, pays_by="order"), "pays", "holds stage, after, first and second"),
        (changed(STANDARD, pays=[{**ROW, "andar": [1, 0]}]), "pays-1-0-0", "ratio"),
        (changed(STANDARD, pays=[{**ROW, "andar": [1]}]), "pays-1-0-0", "ratio"),
        (changed(STANDARD, pays=[{**ROW, "bahar": [-1, 1]}]), "pays-1-0-1", "whole number"),
        (changed(STANDARD, pays=[{**ROW, "bahar": [0.9, 1]}]), "pays-1-0-1", "whole number"),
        (changed(STANDARD, pays=[{**ROW, "bahar": [1001, 1]}]), "pays-1-0-1", "Between 0 and 1000"),
        (changed(STANDARD, pays=[{**ROW, "bahar": [1, 10_001]}]), "pays-1-0-1", "10000th"),
        (changed(STANDARD, side_bets=["red"]), "side_bets", "named with what they pay"),
        (changed(STANDARD, side_bets={"green": [1, 1]}), "side_bets", "no side bet “green”"),
        (changed(STANDARD, side_bets={"andar": [1, 1]}), "side_bets", "no side bet “andar”"),
        (changed(STANDARD, side_bets={"red": [0, 1]}), "side-red", "more than 0"),
        (changed(STANDARD, side_bets={"1-5": [1001, 1]}), "side-1-5", "1000"),
    ],
)
def test_what_is_out_of_order_is_refused_at_its_place(definition: str, field: str | None, why: str) -> None:
    with pytest.raises(Rejected, match=why) as refused:
        rule_sets.read(definition)

    assert refused.value.field == field


def test_the_limits_of_what_is_paid_are_allowed() -> None:
    rules = simple(andar=NOTHING, bahar=Fraction(1000), side_bets=(("red", Fraction(1, 10_000)),))

    assert rule_sets.read(rule_sets.write(rules)) == rules


def test_a_side_bet_stands_there_once() -> None:
    with pytest.raises(Rejected, match="twice"):
        simple(side_bets=(("red", EVEN), ("red", Fraction(2))))
