"""Andar Bahar itself: cards, one deal from the joker to the match, and how likely each length is. Pure.

Card 0 of the deck is the joker. The other 51 are dealt one by one, sides alternating, until a card of
the joker's rank falls; its side wins. N is the number of cards dealt, match included, from 1 to 49.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import comb

from dashboard.errors import Rejected
from dashboard.models.game import Side

CARDS = 52
RANKS = "A23456789TJQK"
SUITS = "CDHS"
"""Clubs, diamonds, hearts, spades; a card c is of rank RANKS[c mod 13] and suit SUITS[c div 13]."""
LONGEST = 49
"""Of the 51 cards after the joker 48 are of other ranks: the 49th is a match at the latest."""


def rank(card: int) -> int:
    """0 for an ace to 12 for a king; two cards of one rank match."""
    return card % len(RANKS)


def suit(card: int) -> str:
    """`C`, `D`, `H` or `S`."""
    return SUITS[card // len(RANKS)]


def name(card: int) -> str:
    """Rank and suit: 17 is `5D`."""
    return RANKS[rank(card)] + suit(card)


def parse(text: str) -> int:
    """The card of that name, in either case. Raises Rejected where there is none."""
    typed = text.strip().upper()
    if len(typed) != 2 or typed[0] not in RANKS or typed[1] not in SUITS:
        raise Rejected(f"There is no card “{text}”: name one by rank and suit, such as 5S.", field="card")
    return SUITS.index(typed[1]) * len(RANKS) + RANKS.index(typed[0])


def is_red(card: int) -> bool:
    """Whether it is of diamonds or hearts."""
    return suit(card) in "DH"


def other(side: Side) -> Side:
    """The side across."""
    return Side.BAHAR if side == Side.ANDAR else Side.ANDAR


@dataclass(frozen=True, slots=True)
class Deal:
    """What lies on the table: the joker, who is dealt first, and the cards after the joker in order."""

    joker: int
    first: Side
    cards: tuple[int, ...] = ()

    @property
    def winner(self) -> Side | None:
        """The side on which the match fell; None as long as there is none."""
        if not self.cards or rank(self.cards[-1]) != rank(self.joker):
            return None
        return self.side_of(len(self.cards) - 1)

    @property
    def next_side(self) -> Side:
        """Where the next card would fall."""
        return self.side_of(len(self.cards))

    def side_of(self, index: int) -> Side:
        """Where the card of that index falls, counted from 0."""
        return self.first if index % 2 == 0 else other(self.first)

    def with_card(self, card: int) -> "Deal":
        """One card further. Raises Rejected for a card that lies there already, or after the match."""
        if self.winner is not None:
            raise Rejected("The match has fallen: no card comes after it.", field="card")
        if not 0 <= card < CARDS:
            raise Rejected("There is no such card.", field="card")
        if card == self.joker or card in self.cards:
            raise Rejected(f"{name(card)} lies on the table already.", field="card")
        return replace(self, cards=(*self.cards, card))

    def without_last(self) -> "Deal":
        """One card back. Raises Rejected when none was dealt, or when the last one was the match."""
        if not self.cards:
            raise Rejected("No card has been dealt yet.")
        if self.winner is not None:
            raise Rejected("The match has fallen: the last card cannot be taken back.")
        return replace(self, cards=self.cards[:-1])


def dealt(deck: Iterable[int], *, first: Side, most: int = LONGEST) -> Deal:
    """Deal from a whole deck, joker first, until the match or until `most` cards lie there."""
    joker, *rest = deck
    for index, card in enumerate(rest[:most]):
        if rank(card) == rank(joker):
            return Deal(joker, first, tuple(rest[: index + 1]))
    return Deal(joker, first, tuple(rest[:most]))


@cache
def probability(length: int, *, after: int = 0) -> Fraction:
    """How likely N is exactly `length`, given that more than `after` cards are dealt.

    C(51 − n, 2) / C(51, 3): the match is the first of the three cards of the joker's rank among the
    51, and the other two lie behind it. Given that none of the three is among the first `after`, they
    lie anywhere in the 51 − `after` that are left, whatever the first ones were.
    """
    if not after < length <= LONGEST:
        return Fraction(0)
    return Fraction(comb(51 - length, 2), comb(51 - after, 3))
