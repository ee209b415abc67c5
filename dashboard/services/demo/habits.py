"""How a player plays: how much, how often, on which days and at what hour. Pure.

Amounts here are whole units of the currency: people think in those, and whole numbers stay exact.
"""

from dataclasses import dataclass
from random import Random

_WEEKDAYS = (0.8, 0.8, 0.85, 0.95, 1.2, 1.35, 1.15)
"""Of Monday to Sunday, against an average day."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Players who are alike. Medians in whole units."""

    name: str
    share: float
    stake: int
    deposit: int
    sessions_per_week: float
    rounds: int
    """Of a session, on average."""


SEGMENTS = (
    Segment("casual", 0.52, 14, 110, 0.46, 2),
    Segment("regular", 0.30, 40, 450, 0.74, 4),
    Segment("keen", 0.12, 190, 2_200, 1.2, 5),
    Segment("high", 0.045, 700, 9_000, 1.7, 6),
    Segment("whale", 0.015, 2_600, 34_000, 2.4, 6),
)


@dataclass(frozen=True, slots=True)
class Habits:
    """One player's own way, around the segment's."""

    segment: Segment
    stake: int
    deposit: int
    sessions_per_day: float
    rounds: int
    peak_hour: float
    weekend: float
    """How much more than others this player lives on the weekend; 1: not at all."""
    cashes_out: float
    """How readily money is taken out after a session, 0 to 1."""

    def chance_on(self, weekday: int) -> float:
        """Of a session on that day of the week (0 is Monday)."""
        own = self.weekend if weekday >= 5 else 1.0
        return min(0.95, self.sessions_per_day * _WEEKDAYS[weekday] * own)


def invent(rng: Random, segment: Segment) -> Habits:
    """The habits of somebody in that segment."""
    return Habits(
        segment=segment,
        stake=max(1, round(segment.stake * rng.lognormvariate(0, 0.35))),
        deposit=max(10, round(segment.deposit * rng.lognormvariate(0, 0.4))),
        sessions_per_day=segment.sessions_per_week / 7 * rng.lognormvariate(0, 0.35),
        rounds=segment.rounds,
        peak_hour=rng.choice((12.5, 17.5, 19.0, 20.0, 21.0)) + rng.gauss(0, 1),
        weekend=rng.choice((0.8, 1.0, 1.0, 1.3)),
        cashes_out=rng.betavariate(2, 5),
    )


def segments(rng: Random, count: int) -> list[Segment]:
    """A segment for each of `count` players, in the proportion of their shares and none left out."""
    rarest_first = sorted(SEGMENTS, key=lambda segment: segment.share)
    dealt = [segment for segment in rarest_first for _ in range(max(1, int(segment.share * count)))]
    dealt = [*dealt, *[SEGMENTS[0]] * count][:count]
    rng.shuffle(dealt)
    return dealt


def as_people_say(whole: float) -> int:
    """A whole amount as people choose one: 47 becomes 45, 1,234 becomes 1,250. At least 1."""
    for below, step in ((20, 1), (100, 5), (500, 10), (2_000, 50), (10_000, 100), (50_000, 500)):
        if whole < below:
            return max(1, round(whole / step) * step)
    return round(whole / 1_000) * 1_000


def around(rng: Random, median: float, spread: float = 0.5) -> int:
    """An amount around a median: log-normal, as money is, and as people say it."""
    return as_people_say(median * rng.lognormvariate(0, spread))
