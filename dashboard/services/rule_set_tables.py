"""A rule set as people read it: a pay table for each stage, with the edge of every column. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dashboard.services.rule_sets import MARKETS, SIDE_BETS, Edge, First, PaysBy, Rules, chance

COLUMNS = {PaysBy.SIDE: ("Andar", "Bahar"), PaysBy.ORDER: ("Dealt first", "Dealt second")}
_DECIMALS = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """What the two columns pay to one when the match falls in one period."""

    after: int
    cards: str
    """`cards 3–4`."""
    ratios: tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Table:
    """The bets of one stage."""

    stage: int
    opens: str
    """`before any card`, `after 2 cards`."""
    lines: tuple[Line, ...]
    edges: tuple[tuple[Edge, ...], tuple[Edge, ...]]
    """Of each column; two where it makes a difference who is dealt first."""


@dataclass(frozen=True, slots=True)
class SideBet:
    """A side bet, on or off."""

    selection: str
    fair: Fraction
    """What it would pay to one without any edge."""
    pays: Fraction | None
    edge: Edge | None

    @property
    def fair_about(self) -> str:
        """`fair` to two decimals, for reading."""
        return to_one(round(self.fair, 2))


def tables(rules: Rules) -> tuple[Table, ...]:
    """One for each stage, in order."""
    edges = rules.edges()
    return tuple(
        Table(
            stage,
            opening(opens),
            tuple(
                Line(row.after, span(row.after, rules.periods), row.ratios)
                for row in rules.pays
                if row.stage == stage
            ),
            _by_column(rules, [edge for edge in edges if edge.stage == stage]),
        )
        for stage, opens in enumerate(rules.stages, 1)
    )


def side_bets(rules: Rules | None) -> tuple[SideBet, ...]:
    """Every side bet there is; all off where the rules are not known."""
    on = dict(rules.side_bets) if rules else {}
    edges = {edge.selection: edge for edge in rules.edges()} if rules else {}
    return tuple(
        SideBet(selection, 1 / chance(selection) - 1, on.get(selection), edges.get(selection))
        for selection in SIDE_BETS
    )


def opening(cards: int) -> str:
    """When a stage opens."""
    if not cards:
        return "before any card"
    return f"after {cards} card{'s' if cards > 1 else ''}"


def span(after: int, periods: Iterable[int]) -> str:
    """Which cards a period holds: `any card`, `card 1`, `cards 3–4`, `card 5 on`."""
    following = min((begins for begins in periods if begins > after), default=None)
    if following is None:
        return f"card {after + 1} on" if after else "any card"
    if following == after + 1:
        return f"card {following}"
    return f"cards {after + 1}–{following}"


def to_one(ratio: Fraction) -> str:
    """A ratio as people write it: `0.9`, `1`, `1/3`."""
    if _DECIMALS % ratio.denominator:
        return f"{ratio.numerator}/{ratio.denominator}"
    whole, parts = divmod(ratio.numerator * (_DECIMALS // ratio.denominator), _DECIMALS)
    return f"{whole}.{parts:04d}".rstrip("0").rstrip(".")


def _by_column(rules: Rules, edges: Sequence[Edge]) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    columns: tuple[list[Edge], list[Edge]] = ([], [])
    for edge in edges:
        if edge.selection not in MARKETS["side"]:
            continue
        for column in _columns_of(rules, edge):
            # By order it is the same whichever side it is: one of them says it.
            if edge.value not in {known.value for known in columns[column]}:
                columns[column].append(edge)
    return tuple(columns[0]), tuple(columns[1])


def _columns_of(rules: Rules, edge: Edge) -> tuple[int, ...]:
    if rules.pays_by == PaysBy.SIDE:
        return (0 if edge.selection == "andar" else 1,)
    if edge.is_first is not None:
        return (0 if edge.is_first else 1,)
    if rules.first == First.JOKER_COLOUR:
        return (0, 1)  # nobody knows yet which column a bet will be paid by
    return (0 if edge.selection == rules.first else 1,)
