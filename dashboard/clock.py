"""The only clock, and the operator's calendar: days, weeks and months in the operator's time zone.

Nothing else calls `datetime.now`. A day has 23 or 25 hours where the zone changes its offset.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from zoneinfo import ZoneInfo

_frozen_at: dt.datetime | None = None


class Span(NamedTuple):
    """A stretch of time: `start` inclusive, `end` exclusive, both aware and in UTC."""

    start: dt.datetime
    end: dt.datetime


def now() -> dt.datetime:
    """This instant in UTC."""
    return _frozen_at or dt.datetime.now(dt.UTC)


@contextmanager
def frozen(at: dt.datetime) -> Iterator[None]:
    """Let `now()` answer `at` inside the block; for tests and the demo."""
    global _frozen_at  # noqa: PLW0603 - one process, one clock
    before, _frozen_at = _frozen_at, at.astimezone(dt.UTC)
    try:
        yield
    finally:
        _frozen_at = before


def local(at: dt.datetime, zone: str) -> dt.datetime:
    """The same instant on the operator's wall."""
    return at.astimezone(ZoneInfo(zone))


def instants(wall: dt.datetime, zone: str) -> tuple[dt.datetime, ...]:
    """Every instant, in UTC and in order, at which the operator's wall shows `wall`, which is naive.

    None where the clocks went forward over it; two where they went back and it came again.
    """
    told = {wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC) for fold in (0, 1)}
    return tuple(sorted(at for at in told if local(at, zone).replace(tzinfo=None) == wall))


def day(at: dt.datetime, zone: str) -> Span:
    """The calendar day of `zone` that holds `at`."""
    on = local(at, zone).date()
    return between(on, on + dt.timedelta(days=1), zone)


def week(at: dt.datetime, zone: str) -> Span:
    """The ISO week (from Monday) of `zone` that holds `at`."""
    on = local(at, zone).date()
    monday = on - dt.timedelta(days=on.weekday())
    return between(monday, monday + dt.timedelta(days=7), zone)


def month(at: dt.datetime, zone: str) -> Span:
    """The calendar month of `zone` that holds `at`."""
    first = local(at, zone).date().replace(day=1)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return between(first, following, zone)


def last_days(now: dt.datetime, zone: str, count: int) -> list[Span]:
    """The last `count` calendar days of `zone`, the day of `now` last."""
    today = local(now, zone).date()
    return [
        between(today - dt.timedelta(days=back), today - dt.timedelta(days=back - 1), zone)
        for back in reversed(range(count))
    ]


def between(first: dt.date, end: dt.date, zone: str) -> Span:
    """From the midnight that begins `first` to the midnight that begins `end`."""
    return Span(_midnight(first, zone), _midnight(end, zone))


def _midnight(on: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(on, dt.time.min, ZoneInfo(zone)).astimezone(dt.UTC)
