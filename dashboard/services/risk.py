"""The risk score of an entry, 0 to 100, with its parts and why each has its figure. Pure.

Amounts are compared with the player's own history by a robust z: |amount − median| / (1.4826 × MAD).
The median absolute deviation times 1.4826 estimates the standard deviation of a normal distribution
(Rousseeuw and Croux, 1993) and is not moved by the very outliers it should find.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dashboard import money

HISTORY = 100
"""How many earlier entries of the type an amount is compared with."""
HISTORY_LEAST = 5
"""With fewer the amount says nothing."""
UNUSUAL = 70
"""From this score on an alert is raised."""

_MAD_TO_SIGMA = Fraction(14826, 10000)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: its points and, for a person, why."""

    name: str
    points: int
    why: str


@dataclass(frozen=True, slots=True)
class Score:
    """The sum of the parts, at most 100."""

    points: int
    parts: tuple[Part, ...]

    def as_metadata(self) -> dict[str, int | str]:
        """The parts that have points, flat, as an entry's metadata keep them."""
        flat: dict[str, int | str] = {}
        for part in self.parts:
            if part.points:
                flat[f"risk_{part.name}"] = part.points
                flat[f"risk_{part.name}_why"] = part.why
        return flat


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a score is made of. Amounts in minor units, absolute."""

    amount: int
    earlier: Sequence[int]
    """Absolute amounts of the last entries of the same type, at most HISTORY of them."""
    type_name: str
    limit_used: int
    """Of the daily limit, with this change; 0 for a type that does not count."""
    limit: int
    drop_percent: int
    changes_last_hour: int
    hour: int
    """Of the operator's day, 0 to 23."""
    active_hours: int
    """Bit h set: the player has been active in hour h before. 0: never active at all."""


def score(given: Circumstances) -> Score:
    """Score one change: at most 40 + 20 + 20 + 10 + 10 points."""
    parts = (_amount(given), _limit(given), _drop(given), _frequency(given), _hour(given))
    return Score(sum(part.points for part in parts), parts)


def _amount(given: Circumstances) -> Part:
    if len(given.earlier) < HISTORY_LEAST:
        return Part("amount", 0, "too few earlier entries to compare with")
    middle_twice = _median_twice(sorted(given.earlier))
    spread_4_times = _median_twice(sorted(abs(2 * amount - middle_twice) for amount in given.earlier))
    middle, sigma = Fraction(middle_twice, 2), _MAD_TO_SIGMA * Fraction(spread_4_times, 4)
    distance = abs(given.amount - middle)
    # A player whose amounts never differ has no spread: any other amount is as far away as can be.
    z = distance / sigma if sigma else Fraction(4 if distance else 0)
    return Part("amount", _share(z / 4, 40), _compared(given.amount, middle, given.type_name))


def _median_twice(ordered: Sequence[int]) -> int:
    """Twice the median, which is whole: sorting fractions is what a score would spend its time on."""
    half = len(ordered) // 2
    return ordered[half] + ordered[-half - 1]


def _compared(amount: int, middle: Fraction, type_name: str) -> str:
    if not middle:
        return f"the usual {type_name} is nothing"
    times = (Decimal(amount) / (Decimal(middle.numerator) / middle.denominator)).quantize(Decimal("0.1"))
    return f"{times:f}× the usual {type_name}"


def _limit(given: Circumstances) -> Part:
    used = Fraction(given.limit_used, given.limit) if given.limit else Fraction(0)
    return Part("limit", _share(used, 20), f"{int(used * 100)} % of the daily limit used")


def _drop(given: Circumstances) -> Part:
    taken = Fraction(given.drop_percent, 100)
    return Part("drop", _share(taken, 20), f"takes {given.drop_percent} % of the real balance")


def _frequency(given: Circumstances) -> Part:
    changes = given.changes_last_hour
    return Part("frequency", min(10, changes), f"{changes} changes in the last hour")


def _hour(given: Circumstances) -> Part:
    known = given.active_hours == 0 or given.active_hours >> given.hour & 1
    return Part("hour", 0 if known else 10, f"never active between {given.hour}:00 and {given.hour}:59")


def _share(part: Fraction, points: int) -> int:
    return money.rounded(min(Fraction(1), part) * points)
