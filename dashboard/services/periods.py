"""Periods that figures are drawn over: a span cut into buckets of the operator's calendar. Pure."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from dashboard import clock
from dashboard.clock import Span
from dashboard.errors import Rejected

BUCKETS_LEAST, BUCKETS_MOST = 20, 120
"""How many points a custom period is drawn with, where its length allows it."""
LONGEST = dt.timedelta(days=3700)


class Unit(StrEnum):
    """What one bucket is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Kind(StrEnum):
    """The periods that have a name."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of whole buckets, and the stretch of the same length before it."""

    kind: Kind
    unit: Unit
    buckets: tuple[Span, ...]
    before: Span
    """What it is compared with."""

    @property
    def span(self) -> Span:
        """From the start of the first bucket to the end of the last."""
        return Span(self.buckets[0].start, self.buckets[-1].end)


def named(kind: Kind, *, now: dt.datetime, zone: str) -> Period:
    """24 hours by hour, 7 or 30 days by day, or 12 months by month; the present bucket is the last.

    Raises ValueError for the custom kind.
    """
    today = clock.local(now, zone).date()
    match kind:
        case Kind.DAILY:
            hour = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
            first = hour - dt.timedelta(hours=23)
            return _period(kind, Unit.HOUR, [first + dt.timedelta(hours=at) for at in range(25)])
        case Kind.WEEKLY | Kind.MONTHLY:
            days = 7 if kind == Kind.WEEKLY else 30
            first_day = today - dt.timedelta(days=days - 1)
            return _of_days(
                kind, Unit.DAY, [first_day + dt.timedelta(days=at) for at in range(days + 1)], zone
            )
        case Kind.YEARLY:
            first_day = _months_later(today.replace(day=1), -11)
            return _of_days(kind, Unit.MONTH, [_months_later(first_day, at) for at in range(13)], zone)
        case _:
            raise ValueError(f"{kind} has no name")


def custom(first: dt.date, end: dt.date, *, zone: str) -> Period:
    """From the midnight that begins `first` to the one that begins `end`, in buckets of 20 to 120 points.

    The coarsest unit that gives at least 20 points; hours where days are too few. Weeks (from Monday) and
    months at the ends are cut. Raises Rejected where it ends before it begins, or is longer than ten years.
    """
    if end <= first:
        raise Rejected("The period ends before it begins.", field="until")
    if end - first > LONGEST:
        raise Rejected("A period has at most ten years.", field="until")
    for unit, cuts in ((Unit.MONTH, _months), (Unit.WEEK, _weeks), (Unit.DAY, _days)):
        days = list(cuts(first, end))
        if len(days) - 1 >= BUCKETS_LEAST:
            return _of_days(Kind.CUSTOM, unit, days, zone)
    whole = clock.between(first, end, zone)
    hours = (whole.end - whole.start) // dt.timedelta(hours=1)
    if hours > BUCKETS_MOST:
        return _of_days(Kind.CUSTOM, Unit.DAY, list(_days(first, end)), zone)
    return _period(Kind.CUSTOM, Unit.HOUR, [whole.start + dt.timedelta(hours=at) for at in range(hours + 1)])


def _of_days(kind: Kind, unit: Unit, days: list[dt.date], zone: str) -> Period:
    midnights = [clock.between(day, day, zone).start for day in days]
    length = days[-1] - days[0]
    before = days[0] - length if unit != Unit.MONTH else _months_before(days)
    return _period(kind, unit, midnights, clock.between(before, days[0], zone).start)


def _period(kind: Kind, unit: Unit, cuts: list[dt.datetime], before: dt.datetime | None = None) -> Period:
    buckets = tuple(Span(start, end) for start, end in pairwise(cuts))
    begun = before if before is not None else cuts[0] - (cuts[-1] - cuts[0])
    return Period(kind, unit, buckets, Span(begun, cuts[0]))


def _months_before(days: list[dt.date]) -> dt.date:
    """So many months back as the period has, where it is of whole months; else so many days."""
    if days[0].day == 1 and days[-1].day == 1:
        return _months_later(days[0], -(len(days) - 1))
    return days[0] - (days[-1] - days[0])


def _days(first: dt.date, end: dt.date) -> Iterator[dt.date]:
    return (first + dt.timedelta(days=at) for at in range((end - first).days + 1))


def _weeks(first: dt.date, end: dt.date) -> Iterator[dt.date]:
    yield first
    day = first + dt.timedelta(days=7 - first.weekday())
    while day < end:
        yield day
        day += dt.timedelta(days=7)
    yield end


def _months(first: dt.date, end: dt.date) -> Iterator[dt.date]:
    yield first
    day = _months_later(first.replace(day=1), 1)
    while day < end:
        yield day
        day = _months_later(day, 1)
    yield end


def _months_later(first_of_month: dt.date, months: int) -> dt.date:
    years, month = divmod(first_of_month.month - 1 + months, 12)
    return dt.date(first_of_month.year + years, month + 1, 1)
