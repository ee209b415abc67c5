"""Andar Bahar: names of cards, one deal with undo, and how likely each length is."""

from fractions import Fraction
from itertools import combinations

import pytest

from dashboard.errors import Rejected
from dashboard.models.game import Side
from dashboard.services import andar_bahar
from dashboard.services.andar_bahar import Deal, name, parse


@pytest.mark.parametrize(
    ("card", "called", "is_red"),
    [
        (0, "AC", False),
        (12, "KC", False),
        (13, "AD", True),
        (22, "TD", True),
        (26, "AH", True),
        (51, "KS", False),
    ],
)
def test_cards_have_the_names_of_the_rules(card: int, called: str, is_red: bool) -> None:
    assert (name(card), parse(called), andar_bahar.is_red(card)) == (called, card, is_red)


def test_every_name_is_read_back_in_either_case() -> None:
    assert [parse(f" {name(card).lower()} ") for card in range(52)] == list(range(52))


@pytest.mark.parametrize("typed", ["", "5", "S5", "10S", "1S", "5X", "5SS"])
def test_what_is_no_card_is_refused(typed: str) -> None:
    with pytest.raises(Rejected, match="rank and suit"):
        parse(typed)


def cards(names: str) -> tuple[int, ...]:
    return tuple(parse(each) for each in names.split())


def test_sides_take_turns_and_the_match_wins_for_its_side() -> None:
    deal = Deal(parse("5S"), Side.BAHAR)
    assert (deal.winner, deal.next_side) == (None, Side.BAHAR)

    for card in cards("KC 3D 7C"):
        deal = deal.with_card(card)
        assert deal.winner is None
    assert deal.next_side == Side.ANDAR

    assert deal.with_card(parse("5D")).winner == Side.ANDAR


def test_the_side_that_is_dealt_first_owns_the_odd_cards() -> None:
    for first in Side:
        for length in range(1, 50):
            others = [card for card in range(52) if andar_bahar.rank(card) != 4][: length - 1]
            deal = Deal(4, first, (*others, 17))
            assert deal.winner == (first if length % 2 else andar_bahar.other(first))


@pytest.mark.parametrize(
    ("card", "why"),
    [("KC", "lies on the table"), ("5S", "lies on the table")],
)
def test_no_card_lies_there_twice(card: str, why: str) -> None:
    deal = Deal(parse("5S"), Side.ANDAR, cards("KC 3D"))

    with pytest.raises(Rejected, match=why):
        deal.with_card(parse(card))


@pytest.mark.parametrize("card", [-1, 52])
def test_what_is_outside_of_the_deck_is_refused(card: int) -> None:
    with pytest.raises(Rejected, match="no such card"):
        Deal(0, Side.ANDAR).with_card(card)


def test_nothing_follows_the_match() -> None:
    over = Deal(parse("5S"), Side.ANDAR, cards("KC 5D"))

    with pytest.raises(Rejected, match="no card comes after"):
        over.with_card(parse("7C"))
    with pytest.raises(Rejected, match="cannot be taken back"):
        over.without_last()


def test_the_last_card_can_be_taken_back_before_a_match() -> None:
    deal = Deal(parse("5S"), Side.ANDAR, cards("KC 3D"))

    assert deal.without_last() == Deal(parse("5S"), Side.ANDAR, cards("KC"))
    with pytest.raises(Rejected, match="No card"):
        Deal(parse("5S"), Side.ANDAR).without_last()


def test_dealing_stops_at_the_match_or_where_the_stage_ends() -> None:
    deck = cards("5S KC 3D 7C 5H 2C 5D")

    assert andar_bahar.dealt(deck, first=Side.ANDAR) == Deal(deck[0], Side.ANDAR, deck[1:5])
    assert andar_bahar.dealt(deck, first=Side.ANDAR, most=2) == Deal(deck[0], Side.ANDAR, deck[1:3])
    assert andar_bahar.dealt(deck, first=Side.ANDAR, most=0).cards == ()


def test_lengths_are_as_likely_as_counting_says() -> None:
    # All places that the three cards of the joker's rank can take among 51: the first of them is N.
    counts = dict.fromkeys(range(1, 50), 0)
    for places in combinations(range(1, 52), 3):
        counts[places[0]] += 1
    for after in (0, 2, 4, 47):
        left = sum(count for length, count in counts.items() if length > after)
        for length, count in counts.items():
            expected = Fraction(count, left) if length > after else 0
            assert andar_bahar.probability(length, after=after) == expected


def test_the_moments_are_those_of_the_rules() -> None:
    chances = {length: andar_bahar.probability(length) for length in range(1, 50)}
    mean = sum(length * chance for length, chance in chances.items())

    assert sum(chances.values()) == 1
    assert sum(chance for length, chance in chances.items() if length % 2) == Fraction(429, 833)
    assert mean == 13
    assert sum((length - mean) ** 2 * chance for length, chance in chances.items()) == Fraction(936, 10)
    assert sum(chances[length] for length in range(1, 11)) < Fraction(1, 2)
    assert sum(chances[length] for length in range(1, 12)) >= Fraction(1, 2)
    assert andar_bahar.probability(0) == andar_bahar.probability(50) == 0
