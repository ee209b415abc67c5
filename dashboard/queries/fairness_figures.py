"""How the deals of a game compare with what chance would bring, and what it paid with what it should."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import erfc, exp, factorial, sqrt

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import DealStatistic, Game
from dashboard.queries.games import MonthRow
from dashboard.services import andar_bahar

SIGMAS = 4
BEYOND = erfc(SIGMAS / sqrt(2)) / 2
"""How much of a normal distribution lies beyond four sigma, on one side."""
FEW = 50
"""Counts that are expected to be smaller than this are far from normal."""
BINS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 15), (16, 25), (26, 49))
"""For the chi-square: so wide that a hundred rounds fill each of them."""
MEAN, VARIANCE = 13, Fraction(468, 5)
"""Of the number of cards dealt: P(N = n) = C(51 − n, 2) / C(51, 3)."""
FIRST_SHARE = Fraction(429, 833)
"""How often the side that is dealt first wins."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure, its expectation, and the band of four sigma, which chance leaves once in 16,000 times."""

    observed: float
    expected: float
    low: float
    high: float

    @property
    def is_within(self) -> bool:
        """Whether it lies in the band."""
        return self.low <= self.observed <= self.high


@dataclass(frozen=True, slots=True)
class Figures:
    """The rounds of a game by the number of cards dealt, against the exact distribution."""

    rounds: int
    by_length: list[Compared]
    """For 1 to 49 cards, as numbers of rounds."""
    first_share: Compared
    """How often the side dealt first won, as a share."""
    other_share: Compared
    """How often the other side won."""
    mean: Compared
    """Cards dealt per round."""
    chance: float | None
    """How often chance alone is this far off, by chi-square over BINS; None without rounds."""


def deals(session: Session, *, game_id: int) -> list[int]:
    """How many rounds of a game ended after 1, 2, … 49 cards, over all months."""
    rows = session.execute(
        select(DealStatistic.cards_dealt, func.sum(DealStatistic.rounds))
        .where(DealStatistic.game_id == game_id)
        .group_by(DealStatistic.cards_dealt)
    )
    counts = {length: int(rounds) for length, rounds in rows}
    return [counts.get(length, 0) for length in range(1, andar_bahar.LONGEST + 1)]


def busiest_game(session: Session, *, operator_id: int) -> int | None:
    """The game of which most rounds have ended; the first by name where none has; None without games."""
    played = (
        select(DealStatistic.game_id, func.sum(DealStatistic.rounds).label("rounds"))
        .group_by(DealStatistic.game_id)
        .subquery()
    )
    return session.scalars(
        select(Game.id)
        .outerjoin(played, played.c.game_id == Game.id)
        .where(Game.operator_id == operator_id)
        .order_by(func.coalesce(played.c.rounds, 0).desc(), Game.name, Game.id)
        .limit(1)
    ).one_or_none()


def compare(counts: Sequence[int]) -> Figures:
    """What `deals` counted against what chance would bring. Pure; floats, since nothing is paid by them."""
    rounds = sum(counts)
    dealt = sum(length * count for length, count in enumerate(counts, 1))
    variance = float(FIRST_SHARE * (1 - FIRST_SHARE))
    return Figures(
        rounds,
        [_count(counts[length - 1], length, rounds) for length in range(1, len(counts) + 1)],
        _mean(sum(counts[::2]), rounds, float(FIRST_SHARE), variance, (0, 1)),
        _mean(sum(counts[1::2]), rounds, float(1 - FIRST_SHARE), variance, (0, 1)),
        _mean(dealt, rounds, MEAN, float(VARIANCE), (1, andar_bahar.LONGEST)),
        _chance(counts, rounds) if rounds else None,
    )


def share(part: int, whole: int) -> float | None:
    """A part in percent, for drawing and for words; None of nothing."""
    return 100 * part / whole if whole else None


def in_order(months: Sequence[MonthRow]) -> list[tuple[dt.date, float | None, float | None]]:
    """The months from the first to the last: what was paid and what should be, in percent of the stakes."""
    return [
        (row.month, share(row.paid, row.wagered), share(row.expected, row.wagered))
        for row in sorted(months, key=lambda row: row.month)
    ]


def tail(distance: float) -> float:
    """How often chi-square of BINS lies above `distance`.

    With an even number 2k of degrees of freedom: e^(−x/2) Σ (x/2)^i / i!, i < k.
    """
    half = distance / 2
    return exp(-half) * sum(half**i / factorial(i) for i in range((len(BINS) - 1) // 2))


def _count(observed: int, length: int, rounds: int) -> Compared:
    chance = float(andar_bahar.probability(length))
    expected = rounds * chance
    if expected < FEW:
        return Compared(observed, expected, *_quantiles(rounds, chance))
    margin = SIGMAS * sqrt(expected * (1 - chance))
    return Compared(observed, expected, max(0.0, expected - margin), expected + margin)


def _quantiles(rounds: int, chance: float) -> tuple[int, int]:
    """The band of a count that is seldom: the normal curve would call a single one in the tail unusual.

    Between the numbers beyond which the binomial distribution has no more than the normal one beyond
    four sigma, on either side.
    """
    at, below = (1 - chance) ** rounds, 0.0
    low, number = 0, 0
    while number < rounds and below + at < 1 - BEYOND:
        below += at
        low = number + 1 if below <= BEYOND else low
        number += 1
        at *= (rounds - number + 1) / number * chance / (1 - chance)
    return low, number


def _mean(
    total: int, rounds: int, expected: float, variance: float, possible: tuple[float, float]
) -> Compared:
    margin = SIGMAS * sqrt(variance / rounds) if rounds else 0.0
    observed = total / rounds if rounds else expected
    return Compared(
        observed, expected, max(possible[0], expected - margin), min(possible[1], expected + margin)
    )


def _chance(counts: Sequence[int], rounds: int) -> float:
    distance = 0.0
    for first, last in BINS:
        lengths = range(first, last + 1)
        expected = rounds * float(sum(andar_bahar.probability(length) for length in lengths))
        distance += (sum(counts[length - 1] for length in lengths) - expected) ** 2 / expected
    return tail(distance)
