"""How templates write cards, sides and what can be bet on: their filters."""

from fractions import Fraction

from flask import Flask

from dashboard.services import andar_bahar, rule_sets

_RANKS = {"A": "Ace", "J": "Jack", "Q": "Queen", "K": "King"}
_SUITS = {"C": "clubs", "D": "diamonds", "H": "hearts", "S": "spades"}


def init_app(app: Flask) -> None:
    """Give templates their filters."""
    app.jinja_env.filters.update(
        card_name=card_name,
        card_rank=card_rank,
        card_suit=andar_bahar.suit,
        selection_name=selection_name,
        to_one=to_one,
    )


def card_rank(card: int) -> str:
    """`A`, `2` to `10`, `J`, `Q`, `K`: as it stands on the card."""
    rank = andar_bahar.RANKS[andar_bahar.rank(card)]
    return "10" if rank == "T" else rank


def card_name(card: int) -> str:
    """`5 of spades`, `Queen of hearts`."""
    rank = card_rank(card)
    return f"{_RANKS.get(rank, rank)} of {_SUITS[andar_bahar.suit(card)]}"


def selection_name(selection: str) -> str:
    """What can be bet on, in words: `Andar`, `Joker red`, `Joker of clubs`, `6–10 cards`."""
    if selection in rule_sets.MARKETS["count"]:
        return selection.replace("-", "\u2013") + " cards"
    if selection in rule_sets.MARKETS["suit"]:
        return f"Joker of {selection}"
    if selection in rule_sets.MARKETS["colour"]:
        return f"Joker {selection}"
    return selection.capitalize()


def to_one(ratio: Fraction) -> str:
    """What a bet pays to one: `0.9`, `1`, `1/3`."""
    numerator, denominator = ratio.limit_denominator(10_000).as_integer_ratio()
    return f"{float(ratio):g}" if 10_000 % denominator == 0 else f"{numerator}/{denominator}"
