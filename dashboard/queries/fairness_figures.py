"""How the deals of a game compare with what chance would bring, and what it paid with what it should."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, factorial, sqrt

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import DealStatistic
from dashboard.queries.games import MonthRow
from dashboard.services import andar_bahar

SIGMAS = 4
BINS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 15), (16, 25), (26, 49))
"""For the chi-square: so wide that a hundred rounds fill each of them."""
MEAN, VARIANCE = 13, Fraction(468, 5)
"""Of the number of cards dealt: P(N = n) = C(51 − n, 2) / C(51, 3)."""
FIRST_SHARE = Fraction(429, 833)
"""How often the side that is dealt first wins."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure against its expectation, with the band that chance leaves once in 16,000 times."""

    observed: float
    expected: float
    margin: float
    """Half the width of the band: four standard deviations."""

    @property
    def low(self) -> float:
        """The lower edge of the band, never below 0."""
        return max(0.0, self.expected - self.margin)

    @property
    def high(self) -> float:
        """The upper edge of the band."""
        return self.expected + self.margin

    @property
    def is_within(self) -> bool:
        """Whether it lies in the band."""
        return abs(self.observed - self.expected) <= self.margin


@dataclass(frozen=True, slots=True)
class Figures:
    """The rounds of a game by the number of cards dealt, against the exact distribution."""

    rounds: int
    by_length: list[Compared]
    """For 1 to 49 cards, as numbers of rounds."""
    first_share: Compared
    """How often the side dealt first won, as a share."""
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


def compare(counts: Sequence[int]) -> Figures:
    """What `deals` counted against what chance would bring. Pure; floats, since nothing is paid by them."""
    rounds = sum(counts)
    dealt = sum(length * count for length, count in enumerate(counts, 1))
    return Figures(
        rounds,
        [_count(counts[length - 1], length, rounds) for length in range(1, len(counts) + 1)],
        _mean(sum(counts[::2]), rounds, float(FIRST_SHARE), float(FIRST_SHARE * (1 - FIRST_SHARE))),
        _mean(dealt, rounds, MEAN, float(VARIANCE)),
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
    return Compared(observed, rounds * chance, SIGMAS * sqrt(rounds * chance * (1 - chance)))


def _mean(total: int, rounds: int, expected: float, variance: float) -> Compared:
    if not rounds:
        return Compared(expected, expected, 0.0)
    return Compared(total / rounds, expected, SIGMAS * sqrt(variance / rounds))


def _chance(counts: Sequence[int], rounds: int) -> float:
    distance = 0.0
    for first, last in BINS:
        lengths = range(first, last + 1)
        expected = rounds * float(sum(andar_bahar.probability(length) for length in lengths))
        distance += (sum(counts[length - 1] for length in lengths) - expected) ** 2 / expected
    return tail(distance)
