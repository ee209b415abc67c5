"""Statistics that stay exact where doubles would cancel: mean, deviation, autocorrelation, regression. Pure.

Everything is centred before it is squared, and sums are `math.fsum`, which loses nothing of its terms.
tests/unit/test_numerics.py holds them against NIST's certified values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points, by ordinary least squares."""

    slope: float
    intercept: float
    r_squared: float
    """1 where the points lie on the line, also on a level one."""
    p_value: float
    """Of a slope of zero, by a two-sided t-test with n − 2 degrees of freedom; 1 of fewer than 3 points."""


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean. Raises ValueError for no values."""
    if not values:
        raise ValueError("the mean of nothing")
    rough = math.fsum(values) / len(values)
    # What rounding the first quotient has lost.
    return rough + math.fsum(value - rough for value in values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation, two-pass; 0 of fewer than two values."""
    if len(values) < 2:
        return 0.0
    centred = _centred(values)
    return math.sqrt(math.fsum(value * value for value in centred) / (len(values) - 1))


def autocorrelation(values: Sequence[float]) -> float:
    """Of each value with the next (lag 1), by the sums that NIST uses; 0 of a constant series."""
    centred = _centred(values)
    whole = math.fsum(value * value for value in centred)
    if whole == 0:
        return 0.0
    return math.fsum(before * after for before, after in pairwise(centred)) / whole


def fit(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """The line through the points (x, y). Raises ValueError for fewer than two different x."""
    if len(set(xs)) < 2:
        raise ValueError("a line needs two different places")
    middle_x, middle_y = mean(xs), mean(ys)
    dx, dy = [x - middle_x for x in xs], [y - middle_y for y in ys]
    spread = math.fsum(x * x for x in dx)
    slope = math.fsum(x * y for x, y in zip(dx, dy, strict=True)) / spread
    whole = math.fsum(y * y for y in dy)
    left = math.fsum((y - slope * x) ** 2 for x, y in zip(dx, dy, strict=True))
    r_squared = 1.0 if whole == 0 else max(0.0, 1 - left / whole)
    return Line(slope, middle_y - slope * middle_x, r_squared, _p_value(slope, left, spread, len(xs)))


def _centred(values: Sequence[float]) -> list[float]:
    middle = mean(values)
    return [value - middle for value in values]


def _p_value(slope: float, left: float, spread: float, count: int) -> float:
    if count < 3 or slope == 0:
        return 1.0
    if left == 0:
        return 0.0
    # Imported here: it takes a moment, and most pages draw no trend.
    from scipy.special import stdtr  # noqa: PLC0415

    t = abs(slope) / math.sqrt(left / (count - 2) / spread)
    return float(2 * stdtr(count - 2, -t))
