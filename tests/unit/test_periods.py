"""Periods and their buckets, by the operator's calendar."""

import datetime as dt

import pytest

from dashboard.errors import Rejected
from dashboard.services import periods
from dashboard.services.periods import Kind, Unit

ZONE = "Europe/Malta"
NOW = dt.datetime(2026, 3, 30, 9, 20, tzinfo=dt.UTC)
"""A Monday, the day after the clocks went forward."""


@pytest.mark.parametrize(
    ("kind", "unit", "count", "start", "before"),
    [
        (Kind.DAILY, Unit.HOUR, 24, "2026-03-29T10:00", "2026-03-28T10:00"),
        (Kind.WEEKLY, Unit.DAY, 7, "2026-03-23T23:00", "2026-03-16T23:00"),
        (Kind.MONTHLY, Unit.DAY, 30, "2026-02-28T23:00", "2026-01-29T23:00"),
        (Kind.YEARLY, Unit.MONTH, 12, "2025-03-31T22:00", "2024-03-31T22:00"),
    ],
)
def test_named_periods_end_with_the_present_bucket(
    kind: Kind, *, unit: Unit, count: int, start: str, before: str
) -> None:
    period = periods.named(kind, now=NOW, zone=ZONE)
    assert (period.unit, len(period.buckets)) == (unit, count)
    assert period.span.start == dt.datetime.fromisoformat(f"{start}+00:00")
    assert period.before == (dt.datetime.fromisoformat(f"{before}+00:00"), period.span.start)
    assert period.buckets[-1].start <= NOW < period.buckets[-1].end
    assert all(
        earlier.end == later.start for earlier, later in zip(period.buckets, period.buckets[1:], strict=False)
    )


def test_a_day_on_which_the_clocks_change_is_one_bucket_of_23_hours() -> None:
    period = periods.named(Kind.WEEKLY, now=NOW, zone=ZONE)
    assert [(day.end - day.start) // dt.timedelta(hours=1) for day in period.buckets] == [
        24,
        24,
        24,
        24,
        24,
        23,
        24,
    ]


@pytest.mark.parametrize(
    ("first", "end", "unit", "count"),
    [
        ("2026-03-29", "2026-03-30", Unit.HOUR, 23),
        ("2026-10-25", "2026-10-26", Unit.HOUR, 25),
        ("2026-03-02", "2026-03-07", Unit.HOUR, 120),
        ("2026-03-02", "2026-03-08", Unit.DAY, 6),
        ("2026-03-02", "2026-03-22", Unit.DAY, 20),
        ("2026-01-01", "2026-05-01", Unit.DAY, 120),
        ("2026-01-05", "2026-05-25", Unit.WEEK, 20),
        ("2024-01-01", "2025-08-01", Unit.WEEK, 83),
        ("2024-01-01", "2025-09-01", Unit.MONTH, 20),
        ("2016-03-01", "2026-03-01", Unit.MONTH, 120),
    ],
)
def test_a_custom_period_has_about_20_to_120_points(first: str, *, end: str, unit: Unit, count: int) -> None:
    period = periods.custom(dt.date.fromisoformat(first), dt.date.fromisoformat(end), zone=ZONE)
    assert (period.unit, len(period.buckets)) == (unit, count)
    assert period.before.end == period.span.start


@pytest.mark.parametrize(
    ("first", "end", "message"),
    [("2026-03-02", "2026-03-02", "before it begins"), ("2010-01-01", "2026-01-01", "ten years")],
)
def test_a_period_that_cannot_be(first: str, *, end: str, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        periods.custom(dt.date.fromisoformat(first), dt.date.fromisoformat(end), zone=ZONE)
