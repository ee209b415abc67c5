"""The operator's calendar: where days, weeks and months begin and end, whatever the zone does."""

import datetime as dt

import pytest

from dashboard import clock


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("at", "zone", "start", "end", "hours"),
    [
        ("2026-03-02 12:00", "UTC", "2026-03-02 00:00", "2026-03-03 00:00", 24),
        # Both ends of a half-open day.
        ("2026-03-02 00:00", "UTC", "2026-03-02 00:00", "2026-03-03 00:00", 24),
        ("2026-03-01 23:59:59.999999", "UTC", "2026-03-01 00:00", "2026-03-02 00:00", 24),
        # An evening in UTC is already the next day in Malta.
        ("2026-03-02 22:59", "Europe/Malta", "2026-03-01 23:00", "2026-03-02 23:00", 24),
        ("2026-03-02 23:00", "Europe/Malta", "2026-03-02 23:00", "2026-03-03 23:00", 24),
        # Clocks go forward: 23 hours. Clocks go back: 25.
        ("2026-03-29 12:00", "Europe/Malta", "2026-03-28 23:00", "2026-03-29 22:00", 23),
        ("2026-10-25 12:00", "Europe/Malta", "2026-10-24 22:00", "2026-10-25 23:00", 25),
        ("2026-03-08 12:00", "America/New_York", "2026-03-08 05:00", "2026-03-09 04:00", 23),
        ("2026-11-01 12:00", "America/New_York", "2026-11-01 04:00", "2026-11-02 05:00", 25),
        # Offsets that are no whole hours, a change of half an hour, and the far side of the date line.
        ("2026-03-02 12:00", "Asia/Kolkata", "2026-03-01 18:30", "2026-03-02 18:30", 24),
        ("2026-04-04 20:00", "Australia/Lord_Howe", "2026-04-04 13:00", "2026-04-05 13:30", 24.5),
        ("2026-03-02 12:00", "Pacific/Kiritimati", "2026-03-02 10:00", "2026-03-03 10:00", 24),
        # Midnight itself is left out: the day begins at one.
        ("2026-04-24 12:00", "Africa/Cairo", "2026-04-23 22:00", "2026-04-24 21:00", 23),
    ],
)
def test_a_day_is_the_zones(at: str, zone: str, start: str, end: str, hours: float) -> None:
    day = clock.day(utc(at), zone)

    assert day == clock.Span(utc(start), utc(end))
    assert day.end - day.start == dt.timedelta(hours=hours)
    assert day.start.tzinfo is dt.UTC
    assert day.start <= utc(at) < day.end


@pytest.mark.parametrize(
    ("at", "zone", "start", "end", "hours"),
    [
        ("2026-03-02 00:00", "UTC", "2026-03-02", "2026-03-09", 168),
        ("2026-03-08 23:59:59", "UTC", "2026-03-02", "2026-03-09", 168),
        # A week across the year's end: 1 January 2027 is a Friday of week 53 of 2026.
        ("2027-01-01 12:00", "UTC", "2026-12-28", "2027-01-04", 168),
        ("2026-03-01 22:59", "Europe/Malta", "2026-02-22 23:00", "2026-03-01 23:00", 168),
        ("2026-03-01 23:00", "Europe/Malta", "2026-03-01 23:00", "2026-03-08 23:00", 168),
        ("2026-03-27 12:00", "Europe/Malta", "2026-03-22 23:00", "2026-03-29 22:00", 167),
        ("2026-10-20 12:00", "Europe/Malta", "2026-10-18 22:00", "2026-10-25 23:00", 169),
        ("2026-03-02 02:00", "America/Los_Angeles", "2026-02-23 08:00", "2026-03-02 08:00", 168),
    ],
)
def test_a_week_begins_on_the_zones_monday(at: str, zone: str, start: str, end: str, hours: int) -> None:
    week = clock.week(utc(at), zone)

    assert week == clock.Span(utc(start), utc(end))
    assert week.end - week.start == dt.timedelta(hours=hours)
    assert clock.local(week.start, zone).isoweekday() == 1


@pytest.mark.parametrize(
    ("at", "zone", "start", "end"),
    [
        ("2026-02-28 23:59:59", "UTC", "2026-02-01", "2026-03-01"),
        ("2028-02-29 12:00", "UTC", "2028-02-01", "2028-03-01"),
        ("2026-12-31 23:59:59", "UTC", "2026-12-01", "2027-01-01"),
        ("2026-01-31 12:00", "UTC", "2026-01-01", "2026-02-01"),
        # In the east the next month has begun already, in the west the last one has not ended.
        ("2026-12-31 23:30", "Europe/Malta", "2026-12-31 23:00", "2027-01-31 23:00"),
        ("2026-01-01 04:59", "America/New_York", "2025-12-01 05:00", "2026-01-01 05:00"),
        # A month in which the offset changes.
        ("2026-03-15 12:00", "Europe/Malta", "2026-02-28 23:00", "2026-03-31 22:00"),
        ("2026-10-31 22:59", "Europe/Malta", "2026-09-30 22:00", "2026-10-31 23:00"),
        ("2026-06-30 13:59", "Pacific/Auckland", "2026-06-30 12:00", "2026-07-31 12:00"),
    ],
)
def test_a_month_is_the_zones(at: str, zone: str, start: str, end: str) -> None:
    assert clock.month(utc(at), zone) == clock.Span(utc(start), utc(end))


def test_a_range_of_days_is_half_open() -> None:
    span = clock.between(dt.date(2026, 3, 28), dt.date(2026, 3, 30), "Europe/Malta")

    assert span == clock.Span(utc("2026-03-27 23:00"), utc("2026-03-29 22:00"))


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2026-03-02 12:00", "Europe/Malta", ["2026-03-02 11:00"]),
        # The clocks go forward from two to three: what lies between never comes.
        ("2026-03-29 01:59:59.999999", "Europe/Malta", ["2026-03-29 00:59:59.999999"]),
        ("2026-03-29 02:00", "Europe/Malta", []),
        ("2026-03-29 02:59", "Europe/Malta", []),
        ("2026-03-29 03:00", "Europe/Malta", ["2026-03-29 01:00"]),
        # They go back from three to two: what lies between comes twice.
        ("2026-10-25 01:59", "Europe/Malta", ["2026-10-24 23:59"]),
        ("2026-10-25 02:00", "Europe/Malta", ["2026-10-25 00:00", "2026-10-25 01:00"]),
        ("2026-10-25 02:59", "Europe/Malta", ["2026-10-25 00:59", "2026-10-25 01:59"]),
        ("2026-10-25 03:00", "Europe/Malta", ["2026-10-25 02:00"]),
        # A change of half an hour.
        ("2026-04-05 01:45", "Australia/Lord_Howe", ["2026-04-04 14:45", "2026-04-04 15:15"]),
        ("2026-04-05 01:15", "Australia/Lord_Howe", ["2026-04-04 14:15"]),
    ],
)
def test_a_wall_shows_a_moment_once_twice_or_never(wall: str, zone: str, expected: list[str]) -> None:
    shown = dt.datetime.fromisoformat(wall)
    assert clock.instants(shown, zone) == tuple(utc(text) for text in expected)


def test_time_can_be_frozen_and_goes_on_afterwards() -> None:
    at = dt.datetime(2026, 3, 2, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    later = utc("2026-03-02 18:00")

    with clock.frozen(at):
        assert clock.now() == utc("2026-03-02 12:00")
        assert clock.now().tzinfo is dt.UTC
        with clock.frozen(later):
            assert clock.now() == later
        assert clock.now() == at

    assert abs(dt.datetime.now(dt.UTC) - clock.now()) < dt.timedelta(minutes=1)


def test_time_goes_on_after_an_error() -> None:
    def fail() -> None:
        with clock.frozen(utc("2026-03-02")):
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert clock.now() != utc("2026-03-02")
