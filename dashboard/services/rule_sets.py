"""Rule sets as data: who is dealt first, when bets are taken, what they pay, and the exact house edge. Pure.

The definition is canonical JSON:

    {"first": "bahar", "stages": [0, 2], "pays_by": "side",
     "pays": [{"stage": 1, "after": 0, "andar": [1, 1], "bahar": [0, 1]}, …], "side_bets": {"red": [9, 10]}}

`first` is who is dealt the first card: `andar`, `bahar`, or `joker_colour` (black: Andar, red: Bahar).
`stages` says after how many cards each betting stage opens; the first opens before any card.
`pays` holds for every stage what its bets pay **to one** when the match falls later than card `after`, up
to the next row's; the rows' keys are `andar` and `bahar`, or `first` and `second` where `pays_by` is
`order`. Ratios are [numerator, denominator]; 0 to one gives the stake back. `side_bets` names those that
are on, with what they pay. How the rows are kept: `rule_set_rows`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from dashboard.errors import Rejected
from dashboard.models.game import BetState, Side
from dashboard.services import andar_bahar

_Kind = TypeVar("_Kind", bound=StrEnum)

STAGES_MOST = 4
PERIODS_MOST = 6
PAYS_MOST = 1000
"""To one."""
DENOMINATOR_MOST = 10_000
EDGE_HIGH = Fraction(10, 100)
"""Above this a rule set can be used, with a warning."""

MARKETS: Mapping[str, tuple[str, ...]] = {
    "side": (Side.ANDAR.value, Side.BAHAR.value),
    "colour": ("red", "black"),
    "suit": ("clubs", "diamonds", "hearts", "spades"),
    "count": ("1-5", "6-10", "11-15", "16-25", "26-30", "31-35", "36-40", "41-49"),
}
"""What can be bet on, in groups of which exactly one selection comes true."""
SIDE_BETS = MARKETS["colour"] + MARKETS["suit"] + MARKETS["count"]
"""All are taken in the first stage only."""


LABELS: Mapping[str, str] = {
    "andar": "Andar",
    "bahar": "Bahar",
    "red": "Joker red",
    "black": "Joker black",
    **{suit: f"Joker of {suit}" for suit in MARKETS["suit"]},
    **{count: f"{count.replace('-', '–')} cards" for count in MARKETS["count"]},
}
"""How people read a selection."""


class First(StrEnum):
    """Who is dealt the first card after the joker."""

    ANDAR = "andar"
    BAHAR = "bahar"
    JOKER_COLOUR = "joker_colour"
    """Andar if the joker is black, Bahar if it is red."""


class PaysBy(StrEnum):
    """What the pay table tells apart."""

    SIDE = "side"
    """Andar and Bahar."""
    ORDER = "order"
    """The side that is dealt first and the other one."""


KEYS: Mapping[PaysBy, tuple[str, str]] = {
    PaysBy.SIDE: ("andar", "bahar"),
    PaysBy.ORDER: ("first", "second"),
}


@dataclass(frozen=True, slots=True)
class Pays:
    """What the bets of one stage pay to one when the match falls in one period of the deal."""

    stage: int
    after: int
    """The period begins behind so many cards, and ends where the next one begins."""
    ratios: tuple[Fraction, Fraction]
    """Andar's and Bahar's, or the first-dealt side's and the other's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every bet on one selection in one stage. Pays numerator / denominator to one."""

    selection: str
    stage: int
    state: BetState
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Edge:
    """The exact house edge of one bet type, per unit staked; below zero the players have it."""

    selection: str
    stage: int
    is_first: bool | None
    """Given that its side is dealt first, or second. None: that is always the same, or not known in time."""
    value: Fraction

    @property
    def label(self) -> str:
        """`Andar`, or `Andar, dealt first` where that makes the difference."""
        role = {None: "", True: ", dealt first", False: ", dealt second"}[self.is_first]
        return LABELS[self.selection] + role

    @property
    def percent(self) -> str:
        """`2.149 %`, rounded half to even for reading; `value` is exact."""
        thousandths = round(self.value * 100_000)
        sign = "−" if thousandths < 0 else ""
        return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d} %"

    @property
    def is_losing(self) -> bool:
        """Whether the house loses by it in the long run."""
        return self.value < 0

    @property
    def is_high(self) -> bool:
        """Whether it is so high that players will feel cheated."""
        return self.value > EDGE_HIGH


@dataclass(frozen=True, slots=True)
class Rules:
    """One rule set. It cannot be made out of order: Rejected, with the field, says what is wrong."""

    first: First
    stages: tuple[int, ...]
    """How many cards lie there when each betting stage opens."""
    pays_by: PaysBy
    pays: tuple[Pays, ...]
    side_bets: tuple[tuple[str, Fraction], ...] = ()
    """Those that are on, with what they pay to one."""

    def __post_init__(self) -> None:
        _refuse_stages(self.stages)
        _refuse_rows(self)
        for selection, ratio in self.side_bets:
            if selection not in SIDE_BETS:
                raise Rejected(f"There is no side bet “{selection}”.", field="side_bets")
            _refuse_ratio(ratio, side_field(selection), least=Fraction(1, DENOMINATOR_MOST))
        if len({selection for selection, _ratio in self.side_bets}) < len(self.side_bets):
            raise Rejected("A side bet stands there twice.", field="side_bets")
        # One order, so that rules which say the same are equal.
        in_order = sorted(self.pays, key=lambda row: (row.stage, row.after))
        object.__setattr__(self, "pays", tuple(in_order))
        by_name = sorted(self.side_bets, key=lambda side_bet: SIDE_BETS.index(side_bet[0]))
        object.__setattr__(self, "side_bets", tuple(by_name))

    @property
    def hides_joker(self) -> bool:
        """Whether the joker is bet on, and so is shown only when the first betting has closed."""
        on_joker = MARKETS["colour"] + MARKETS["suit"]
        return any(selection in on_joker for selection, _ratio in self.side_bets)

    @property
    def periods(self) -> tuple[int, ...]:
        """Behind how many cards the pay table changes, ascending from 0."""
        return tuple(sorted({row.after for row in self.pays}))

    def first_side(self, joker: int) -> Side:
        """Who is dealt the first card."""
        if self.first == First.JOKER_COLOUR:
            return Side.BAHAR if andar_bahar.is_red(joker) else Side.ANDAR
        return Side(self.first)

    def selections(self, stage: int) -> tuple[str, ...]:
        """What can be bet on in that stage; nothing in a stage that there is not."""
        if not 1 <= stage <= len(self.stages):
            return ()
        on = tuple(selection for selection, _ratio in self.side_bets) if stage == 1 else ()
        return MARKETS["side"] + on

    def multipliers(self, selection: str, stage: int) -> frozenset[Fraction]:
        """All that a bet can pay to one if it does not lose. Raises Rejected where it is not offered."""
        self._refuse_unoffered(selection, stage)
        if selection in SIDE_BETS:
            return frozenset({dict(self.side_bets)[selection]})
        return frozenset(
            row.ratios[self._column(Side(selection), is_first)]
            for row in self.pays
            if row.stage == stage
            for is_first in self._roles(Side(selection))
        )

    def most(self, selection: str, stage: int) -> Fraction:
        """The most that a bet can pay to one. Raises Rejected where it is not offered."""
        return max(self.multipliers(selection, stage))

    def edges(self) -> tuple[Edge, ...]:
        """The edge of every bet type, given that its stage is reached; apart where a player can tell."""
        return tuple(
            edge
            for stage in range(1, len(self.stages) + 1)
            for selection in self.selections(stage)
            for edge in self._edges_of(selection, stage)
        )

    def edge(self, selection: str, stage: int) -> Fraction:
        """The least edge that a player can choose there. Raises Rejected where it is not offered."""
        self._refuse_unoffered(selection, stage)
        return _least_edge(self, selection, stage)

    def outcomes(self, *, joker: int, winner: Side, cards_dealt: int) -> tuple[Outcome, ...]:
        """What every selection of every stage that was reached came to, `cards_dealt` with the match."""
        return tuple(
            self._outcome(selection, stage, joker=joker, winner=winner, cards_dealt=cards_dealt)
            for stage, after in enumerate(self.stages, 1)
            if after < cards_dealt
            for selection in self.selections(stage)
        )

    def _outcome(self, selection: str, stage: int, *, joker: int, winner: Side, cards_dealt: int) -> Outcome:
        if selection in SIDE_BETS:
            is_won = _comes_true(selection, joker, cards_dealt)
            ratio = dict(self.side_bets)[selection]
        else:
            is_won = selection == winner
            is_first = selection == self.first_side(joker)
            ratio = self._row(stage, cards_dealt).ratios[self._column(Side(selection), is_first)]
        if not is_won:
            return Outcome(selection, stage, BetState.LOST, 0, 1)
        state = BetState.WON if ratio else BetState.PUSH
        return Outcome(selection, stage, state, ratio.numerator, ratio.denominator)

    def _edges_of(self, selection: str, stage: int) -> Iterable[Edge]:
        if selection in SIDE_BETS:
            pays = dict(self.side_bets)[selection]
            return [Edge(selection, stage, None, 1 - chance(selection) * (1 + pays))]
        side, roles = Side(selection), self._roles(Side(selection))
        by_role = {is_first: self._side_edge(side, stage, is_first) for is_first in roles}
        if len(roles) == 1:
            return [Edge(selection, stage, None, *by_role.values())]
        if stage == 1 and self.hides_joker:
            # Red and black are equally likely, and nobody knows which it is while betting is open.
            return [Edge(selection, stage, None, sum(by_role.values(), Fraction(0)) / 2)]
        return [Edge(selection, stage, is_first, value) for is_first, value in by_role.items()]

    def _side_edge(self, side: Side, stage: int, is_first: bool) -> Fraction:
        """1 − Σ P(N = n | stage reached) × (1 + what it pays) over those n that fall on the side."""
        after, column = self.stages[stage - 1], self._column(side, is_first)
        returned = sum(
            (
                andar_bahar.probability(length, after=after) * (1 + self._row(stage, length).ratios[column])
                for length in range(after + 1, andar_bahar.LONGEST + 1)
                if (length % 2 == 1) == is_first  # the side that is dealt first owns odd N
            ),
            Fraction(0),
        )
        return 1 - returned

    def _row(self, stage: int, length: int) -> Pays:
        return max(
            (row for row in self.pays if row.stage == stage and row.after < length),
            key=lambda row: row.after,
        )

    def _column(self, side: Side, is_first: bool) -> int:
        if self.pays_by == PaysBy.ORDER:
            return 0 if is_first else 1
        return 0 if side == Side.ANDAR else 1

    def _roles(self, side: Side) -> tuple[bool, ...]:
        if self.first == First.JOKER_COLOUR:
            return (True, False)
        return (side == Side(self.first),)

    def _refuse_unoffered(self, selection: str, stage: int) -> None:
        if selection not in self.selections(stage):
            raise Rejected(f"Nothing can be bet on “{selection}” in stage {stage}.", field="selection")


def losing(rules: Rules) -> tuple[Edge, ...]:
    """The bet types on which the house would lose in the long run: with any of these it is not played."""
    return tuple(edge for edge in rules.edges() if edge.is_losing)


def high(rules: Rules) -> tuple[Edge, ...]:
    """The bet types that take more than a tenth of what is staked."""
    return tuple(edge for edge in rules.edges() if edge.is_high)


def chance(selection: str) -> Fraction:
    """How likely it is that a side bet comes true."""
    if selection in MARKETS["colour"]:
        return Fraction(1, 2)
    if selection in MARKETS["suit"]:
        return Fraction(1, 4)
    return sum((andar_bahar.probability(length) for length in _lengths(selection)), Fraction(0))


def pays_field(stage: int, after: int, column: int) -> str:
    """What a form calls one ratio of the pay table, in its column 0 or 1; an error names it so."""
    return f"pays-{stage}-{after}-{column}"


def side_field(selection: str) -> str:
    """What a form calls the ratio of one side bet."""
    return f"side-{selection}"


@lru_cache(maxsize=4096)
def _least_edge(rules: Rules, selection: str, stage: int) -> Fraction:
    """Exact, so that it takes longer than the settlement of a bet that asks for it."""
    return min(edge.value for edge in rules._edges_of(selection, stage))


@lru_cache(maxsize=512)
def read(definition: str) -> Rules:
    """The rules that a definition describes. Raises Rejected with what is wrong and where."""
    try:
        given = json.loads(definition)
    except ValueError:
        raise Rejected("The definition is no JSON.") from None
    expected = {"first", "stages", "pays_by", "pays", "side_bets"}
    if not isinstance(given, dict) or set(given) != expected:
        raise Rejected(f"The definition must hold exactly {', '.join(sorted(expected))}.")
    pays_by = _one_of(PaysBy, given["pays_by"], "pays_by")
    side_bets = given["side_bets"]
    if not isinstance(side_bets, dict):
        raise Rejected("Side bets are named with what they pay.", field="side_bets")
    return Rules(
        first=_one_of(First, given["first"], "first"),
        stages=tuple(_whole(after, "stages") for after in _listed(given["stages"], "stages")),
        pays_by=pays_by,
        pays=tuple(_pays(row, KEYS[pays_by]) for row in _listed(given["pays"], "pays")),
        side_bets=tuple((name, _ratio(ratio, side_field(name))) for name, ratio in side_bets.items()),
    )


def write(rules: Rules) -> str:
    """The one definition of those rules: rules that are equal are written the same."""
    keys = KEYS[rules.pays_by]
    pays = [
        {"stage": row.stage, "after": row.after}
        | {key: _as_pair(ratio) for key, ratio in zip(keys, row.ratios, strict=True)}
        for row in rules.pays
    ]
    definition = {
        "first": rules.first,
        "stages": rules.stages,
        "pays_by": rules.pays_by,
        "pays": pays,
        "side_bets": {selection: _as_pair(ratio) for selection, ratio in rules.side_bets},
    }
    return json.dumps(definition, sort_keys=True, separators=(",", ":"))


def _refuse_stages(stages: tuple[int, ...]) -> None:
    if not stages or stages[0] != 0:
        raise Rejected("The first stage opens before any card.", field="stages")
    if len(stages) > STAGES_MOST:
        raise Rejected(f"At most {STAGES_MOST} betting stages.", field="stages")
    if any(after >= later for after, later in pairwise(stages)):
        raise Rejected("Each stage opens after more cards than the one before.", field="stages")
    if stages[-1] >= andar_bahar.LONGEST:
        raise Rejected(f"After {andar_bahar.LONGEST} cards nothing is left to bet on.", field="stages")


def _refuse_rows(rules: Rules) -> None:
    periods = rules.periods
    if len(periods) > PERIODS_MOST:
        raise Rejected(f"The pay table may change at most {PERIODS_MOST - 1} times.", field="pays")
    if not set(rules.stages) <= set(periods) or periods[0] < 0 or periods[-1] >= andar_bahar.LONGEST:
        raise Rejected("The pay table needs a row from every stage's opening on.", field="pays")
    wanted = {
        (stage, after) for stage, opens in enumerate(rules.stages, 1) for after in periods if after >= opens
    }
    found = [(row.stage, row.after) for row in rules.pays]
    if len(found) != len(wanted) or set(found) != wanted:
        raise Rejected("The pay table needs one row for each stage and each period from it on.", field="pays")
    for row in rules.pays:
        for column, ratio in enumerate(row.ratios):
            _refuse_ratio(ratio, pays_field(row.stage, row.after, column), least=Fraction(0))


def _refuse_ratio(ratio: Fraction, field: str, *, least: Fraction) -> None:
    if not least <= ratio <= PAYS_MOST:
        raise Rejected(f"Between {'0' if not least else 'more than 0'} and {PAYS_MOST} to one.", field=field)
    if ratio.denominator > DENOMINATOR_MOST:
        raise Rejected(f"At most a {DENOMINATOR_MOST}th.", field=field)


def _comes_true(selection: str, joker: int, cards_dealt: int) -> bool:
    if selection in MARKETS["colour"]:
        return andar_bahar.is_red(joker) == (selection == "red")
    if selection in MARKETS["suit"]:
        return andar_bahar.suit(joker) == selection[0].upper()
    return cards_dealt in _lengths(selection)


def _lengths(selection: str) -> range:
    least, most = selection.split("-")
    return range(int(least), int(most) + 1)


def _as_pair(ratio: Fraction) -> list[int]:
    return [ratio.numerator, ratio.denominator]


def _pays(given: Any, keys: tuple[str, str]) -> Pays:
    if not isinstance(given, dict) or set(given) != {"stage", "after", *keys}:
        raise Rejected(f"A row of the pay table holds stage, after, {keys[0]} and {keys[1]}.", field="pays")
    stage, after = _whole(given["stage"], "pays"), _whole(given["after"], "pays")
    left, right = (_ratio(given[key], pays_field(stage, after, column)) for column, key in enumerate(keys))
    return Pays(stage, after, (left, right))


def _ratio(given: Any, field: str) -> Fraction:
    pair = [_whole(part, field) for part in _listed(given, field)]
    if len(pair) != 2 or pair[1] == 0:
        raise Rejected("What a bet pays is a ratio of two whole numbers.", field=field)
    return Fraction(pair[0], pair[1])


def _whole(given: Any, field: str) -> int:
    if type(given) is not int or not 0 <= given <= PAYS_MOST * DENOMINATOR_MOST:
        raise Rejected("A whole number belongs there.", field=field)
    return given


def _listed(given: Any, field: str) -> list[Any]:
    if not isinstance(given, list):
        raise Rejected("A list belongs there.", field=field)
    return given


def _one_of(kind: type[_Kind], given: Any, field: str) -> _Kind:
    if not isinstance(given, str) or given not in set(kind):
        raise Rejected(f"One of {', '.join(kind)}.", field=field)
    return kind(given)


# Below what checks them.
_EVEN, _BACK, _NINE_TENTHS = Fraction(1), Fraction(0), Fraction(9, 10)

SHIPPED: Mapping[str, Rules] = {
    # Both sides even money: whoever is dealt first wins more often than not, so it stays a draft.
    "even": Rules(First.ANDAR, (0,), PaysBy.SIDE, (Pays(1, 0, (_EVEN, _EVEN)),)),
    "standard": Rules(First.ANDAR, (0,), PaysBy.SIDE, (Pays(1, 0, (_NINE_TENTHS, _EVEN)),)),
    "colour start": Rules(First.JOKER_COLOUR, (0,), PaysBy.ORDER, (Pays(1, 0, (_NINE_TENTHS, _EVEN)),)),
    "three-stage": Rules(
        First.BAHAR,
        (0, 2),
        PaysBy.SIDE,
        (
            Pays(1, 0, (_EVEN, _BACK)),
            Pays(1, 2, (_EVEN, _EVEN)),
            Pays(1, 4, (_EVEN, _EVEN)),
            Pays(2, 2, (_EVEN, _BACK)),
            Pays(2, 4, (_EVEN, _EVEN)),
        ),
    ),
}
"""What every operator starts with, by name."""
DEFAULT_NAME = "standard"
