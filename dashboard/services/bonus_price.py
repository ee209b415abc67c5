"""What clearing a bonus costs a player on average: what must be staked × the house edge. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from dashboard import money
from dashboard.services import rule_sets


@dataclass(frozen=True, slots=True)
class Table:
    """A game at which it can be cleared."""

    game_id: int
    name: str
    definition: str
    """Of its rule set."""


@dataclass(frozen=True, slots=True)
class Price:
    """The cheapest way to clear a bonus. Amounts in minor units."""

    game: str
    selection: str
    edge: Fraction
    percent: int
    """How much of a stake there counts."""
    turnover: int
    """What must be staked there."""
    cost: int
    """What that costs on average: turnover × edge."""


Contribution = Mapping[tuple[int, str], int]
"""Percent by game and selection (empty: the whole game); what is not named counts fully."""


def cheapest(left: int, tables: Sequence[Table], contribution: Contribution) -> Price | None:
    """The bet of a first stage that clears `left` minor units at the least expected loss.

    Cost = left ÷ contribution × edge, each rounded half to even once. `tables` are those that may be
    played. None where nothing counts.
    """
    best: Price | None = None
    for table in tables:
        whole = contribution.get((table.game_id, ""), 100)
        for selection, edge in _first_edges(table.definition):
            percent = contribution.get((table.game_id, selection), whole)
            if percent == 0:
                continue
            if best is None or edge / percent < best.edge / best.percent:
                turnover = Fraction(100 * left, percent)
                best = Price(
                    table.name,
                    selection,
                    edge,
                    percent,
                    money.rounded(turnover),
                    money.rounded(turnover * edge),
                )
    return best


@cache
def _first_edges(definition: str) -> tuple[tuple[str, Fraction], ...]:
    """Each selection of the first stage with its exact edge; a definition never changes."""
    rules = rule_sets.read(definition)
    return tuple((selection, rules.edge(selection, 1)) for selection in rules.selections(1))
