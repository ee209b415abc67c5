"""How templates write cards, sides and what can be bet on: their filters."""

from flask import Flask

from dashboard.services import andar_bahar, rule_set_tables, rule_sets

_RANKS = {"A": "Ace", "J": "Jack", "Q": "Queen", "K": "King"}
_SUITS = {"C": "clubs", "D": "diamonds", "H": "hearts", "S": "spades"}


def init_app(app: Flask) -> None:
    """Give templates their filters."""
    app.jinja_env.filters.update(
        card_name=card_name,
        card_rank=card_rank,
        card_suit=andar_bahar.suit,
        selection_name=selection_name,
        to_one=rule_set_tables.to_one,
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
    return rule_sets.LABELS[selection]
