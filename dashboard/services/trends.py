"""What a series of balances says: from where to where, whether it rises, how much it swings, how risky it is.

Pure. A series is a balance that stands still between its changes; buckets are stretches of equal kind (hours,
days, months of the operator). Amounts are integers in minor units; what is divided is a float or a Fraction
and is shown only, never posted.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from dashboard.clock import Span
from dashboard.services import numerics

SIGNIFICANT = 0.05
"""A slope counts when its p-value is below this."""
NOTICEABLE = 0.05
"""And when over the period it comes to at least this part of the mean absolute balance."""
VOLATILITY_HALF = 25.0
"""The volatility in percent that scores 50 of 100."""


class Direction(StrEnum):
    """Where a series goes."""

    UP = "up"
    DOWN = "down"
    FLAT = "flat"


class RiskLevel(StrEnum):
    """How risky a series is; each begins at its figure of RISK_FROM."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


RISK_FROM = ((75, RiskLevel.CRITICAL), (50, RiskLevel.HIGH), (25, RiskLevel.MEDIUM), (0, RiskLevel.LOW))


@dataclass(frozen=True, slots=True)
class Point:
    """A balance from a moment on, in minor units."""

    at: dt.datetime
    balance: int


@dataclass(frozen=True, slots=True)
class Course:
    """Where a balance was over a stretch of time. Minor units."""

    opening: int
    closing: int
    low: int
    high: int
    mean: Fraction
    """Weighted by the time that it stood."""

    @property
    def change(self) -> int:
        """Closing less opening."""
        return self.closing - self.opening

    @property
    def change_percent(self) -> Fraction | None:
        """Of the absolute opening; None where that is 0."""
        return Fraction(100 * self.change, abs(self.opening)) if self.opening else None


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through the buckets' closing balances, and what it means."""

    direction: Direction
    slope: float
    """Minor units a bucket."""
    r_squared: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Volatility:
    """How much a series swings from bucket to bucket."""

    percent: float
    """The sample standard deviation of the changes, of the mean absolute balance."""
    score: float
    """0 to 100: 100 · v ÷ (v + 25)."""


@dataclass(frozen=True, slots=True)
class RiskPart:
    """One reason for a risk score."""

    name: str
    points: float
    most: int


@dataclass(frozen=True, slots=True)
class Risk:
    """0 to 100 points and the level that they come to, with every part."""

    points: float
    level: RiskLevel
    parts: tuple[RiskPart, ...]


def course(opening: int, changes: Sequence[Point], span: Span) -> Course:
    """The course of a balance over `span`, from what it was at its start and the changes within, in order."""
    stands = [opening, *(point.balance for point in changes)]
    weighted = sum(balance * length for balance, length in _stood(opening, changes, span))
    whole = _microseconds(span.end - span.start)
    mean = Fraction(weighted, whole) if whole else Fraction(stands[-1])
    return Course(opening, stands[-1], min(stands), max(stands), mean)


def share_below(opening: int, changes: Sequence[Point], span: Span, threshold: int) -> float:
    """For which part of the time, 0 to 1, a balance stood below a threshold; as `course`. 0 of no time."""
    whole = _microseconds(span.end - span.start)
    below = sum(length for balance, length in _stood(opening, changes, span) if balance < threshold)
    return below / whole if whole else 0.0


def trend(closings: Sequence[int]) -> Trend:
    """The trend of the buckets' closing balances, numbered 0, 1, 2 …; flat of fewer than 3."""
    if len(closings) < 3:
        return Trend(Direction.FLAT, 0.0, 1.0, 1.0)
    line = numerics.fit(range(len(closings)), closings)
    size = _mean_absolute(closings)
    counts = line.p_value < SIGNIFICANT and abs(line.slope) * len(closings) >= NOTICEABLE * size
    direction = Direction.FLAT if not counts else Direction.UP if line.slope > 0 else Direction.DOWN
    return Trend(direction, line.slope, line.r_squared, line.p_value)


def volatility(opening: int, closings: Sequence[int]) -> Volatility:
    """How much the buckets' closing balances swing, the first against the opening.

    A series that is zero throughout does not swing; one whose mean absolute balance is 0 is that.
    """
    changes = [after - before for before, after in zip([opening, *closings], closings, strict=False)]
    size = _mean_absolute(closings)
    percent = 100 * numerics.deviation(changes) / size if size else 0.0
    return Volatility(percent, 100 * percent / (percent + VOLATILITY_HALF))


def risk(
    whole: Course,
    swings: Volatility,
    *,
    below_warning: float,
    below_critical: float,
    open_alerts: int,
    critical_alerts: int,
    anomalies: int,
) -> Risk:
    """The risk of a series, each part up to its most.

    Volatility (30): its score. Fall (25): how much of the opening is gone. Thresholds (20): the share of the
    time below the warning threshold, and again below the critical one. Alerts (15): 5 each, 10 for a critical
    one. Anomalies (10): 5 each.
    """
    fall = min(1.0, -whole.change / abs(whole.opening)) if whole.opening and whole.change < 0 else 0.0
    parts = (
        RiskPart("volatility", 30 * swings.score / 100, 30),
        RiskPart("fall", 25 * fall, 25),
        RiskPart("thresholds", 10 * below_warning + 10 * below_critical, 20),
        RiskPart("alerts", min(15.0, 5.0 * (open_alerts + critical_alerts)), 15),
        RiskPart("anomalies", min(10.0, 5.0 * anomalies), 10),
    )
    points = sum(part.points for part in parts)
    level = next(level for least, level in RISK_FROM if points >= least)
    return Risk(points, level, parts)


def _stood(opening: int, changes: Sequence[Point], span: Span) -> Iterator[tuple[int, int]]:
    """Each balance with the microseconds that it stood."""
    balance, since = opening, span.start
    for point in changes:
        yield balance, _microseconds(point.at - since)
        balance, since = point.balance, point.at
    yield balance, _microseconds(span.end - since)


def _microseconds(length: dt.timedelta) -> int:
    return length // dt.timedelta(microseconds=1)


def _mean_absolute(values: Sequence[int]) -> float:
    return numerics.mean([abs(value) for value in values]) if values else 0.0
