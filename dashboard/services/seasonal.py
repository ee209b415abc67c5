"""What an hour usually brings, and whether one brought something else. Pure, and robust.

The usual is the median of the same hour of earlier weeks, how far hours stray from it 1.4826 times their
median absolute deviation: of eight weeks up to three may be as odd as they like and move neither far
(F. R. Hampel, The influence curve and its role in robust estimation, 1974).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from dashboard import clock

WEEKS = 8
WEEKS_LEAST = 4
"""With fewer hours to compare with nothing is said."""
DEVIATIONS = 6.0
"""So many deviations from the usual make an hour odd. The deviation of eight values is itself a guess: with
the three of a textbook every other day would have an odd hour."""
SHARE = 0.15
"""The least deviation, as a share of the usual: where all weeks are alike a little more is nothing. Six of
them are less than all of it, so that an hour in which nothing comes can be odd."""
TYPICAL_SHARE = 0.1
"""And as a share of what any hour brings: quiet hours of a night are not judged by their own measure."""
RARE_SHARE = 0.005
"""More than usual is odd where it is rare as well: no more than this share of all hours before were as far
above what their hour of the week brings. Sums of few amounts have long tails, which no median sees."""
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Verdict:
    """An hour beside what it usually brings."""

    value: float
    expected: float
    deviation: float
    """Not less than the floor."""
    rare: float = 0.0
    """So far above the usual hours are now and then."""

    @property
    def distance(self) -> float:
        """How many deviations away; negative below. 0 where it is as usual and nothing ever strays."""
        away = self.value - self.expected
        return away / self.deviation if self.deviation else 0.0 if not away else away * float("inf")

    @property
    def is_odd(self) -> bool:
        """Whether somebody should look."""
        return abs(self.distance) > DEVIATIONS and not 0 <= self.value - self.expected <= self.rare


def judge(
    history: Sequence[float], value: float, *, share: float = SHARE, least: float = 0.0, rare: float = 0.0
) -> Verdict | None:
    """A value beside those of the same hour before; None where these are too few to say anything.

    The deviation is at least `share` of the usual, and `least`; `rare` is `rare_excess` of the hours before.
    """
    if len(history) < WEEKS_LEAST:
        return None
    expected = float(median(history))
    strays = _MAD_TO_SIGMA * float(median(abs(each - expected) for each in history))
    return Verdict(value, expected, max(strays, share * abs(expected), least), rare)


def typical(values: Iterable[float]) -> float:
    """What an hour brings in which anything comes: the median; 0 where nothing ever does."""
    sizes = [abs(value) for value in values if value]
    return float(median(sizes)) if sizes else 0.0


def rare_excess(excesses: Iterable[float]) -> float:
    """Of how far hours were above their usual, what only RARE_SHARE of them exceed; at least 0."""
    ordered = sorted(excesses)
    return max(0.0, ordered[int(len(ordered) * (1 - RARE_SHARE))]) if ordered else 0.0


def same_hours(hour: dt.datetime, zone: str, *, weeks: int = WEEKS) -> list[dt.datetime]:
    """The hours of the weeks before at which the wall of `zone` showed the same, the last one first.

    Where the clocks went forward over it a week has none; where they went back over it, it has two.
    """
    wall = clock.local(hour, zone).replace(tzinfo=None)
    found = []
    for back in range(1, weeks + 1):
        then = clock.instants(wall - dt.timedelta(weeks=back), zone)
        # A zone that moves by half an hour puts the hours of its wall across those of UTC.
        found += [at.replace(minute=0, second=0, microsecond=0) for at in reversed(then)]
    return found
