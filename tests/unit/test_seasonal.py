"""Whether an hour is odd, on weeks made by hand; and which hours are its like."""

import datetime as dt
import math
from collections.abc import Iterable

import pytest

from dashboard.services import seasonal

WEEK = dt.timedelta(weeks=1)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("history", "value", "expected", "deviation", "is_odd"),
    [
        ([100] * 8, 100, 100, 15, False),  # nothing strays: a seventh part of the usual is a deviation
        ([100] * 8, 190, 100, 15, False),  # six of them are no more than six
        ([100] * 8, 191, 100, 15, True),
        ([100] * 8, 11, 100, 15, False),
        ([100] * 8, 9, 100, 15, True),
        ([100] * 8, 0, 100, 15, True),  # nothing came where something always does
        ([60, 80, 90, 100, 100, 110, 120, 140], 0, 100, 22.239, False),  # it strays: 1.4826 × 15
        ([60, 80, 90, 100, 100, 110, 120, 140], 234, 100, 22.239, True),
        ([100] * 5 + [9_000] * 3, 195, 100, 15, True),  # three odd weeks of eight move nothing
        ([0] * 8, 0, 0, 0, False),
        ([0] * 8, 1, 0, 0, True),
        ([-100] * 4, 0, -100, 15, True),
    ],
)
def test_an_hour_beside_its_like(
    history: list[int], value: int, expected: float, deviation: float, is_odd: bool
) -> None:
    verdict = seasonal.judge(history, value)
    assert verdict is not None
    assert (verdict.expected, verdict.deviation) == (expected, pytest.approx(deviation))
    assert verdict.is_odd is is_odd


def test_quiet_hours_are_measured_by_what_is_typical() -> None:
    quiet = seasonal.judge([1, 1, 0, 2, 1, 1, 0, 1], 40, least=seasonal.TYPICAL_SHARE * 100)
    assert quiet is not None
    assert (quiet.deviation, quiet.is_odd) == (10, False)


@pytest.mark.parametrize(("value", "rare", "is_odd"), [(300, 199, True), (300, 200, False), (0, 200, True)])
def test_more_than_usual_is_odd_where_it_is_rare(value: int, rare: float, is_odd: bool) -> None:
    verdict = seasonal.judge([100] * 8, value, rare=rare)
    assert verdict is not None
    assert verdict.is_odd is is_odd


@pytest.mark.parametrize(
    ("excesses", "expected"),
    [
        ([], 0),
        ([-5, -1], 0),
        ([3, 9, 1], 9),
        (range(1, 201), 200),
        (range(1, 1001), 996),  # four of a thousand are above it, and five with it
    ],
)
def test_what_hours_exceed_now_and_then(excesses: Iterable[float], expected: float) -> None:
    assert seasonal.rare_excess(excesses) == expected


def test_too_few_weeks_say_nothing() -> None:
    assert seasonal.judge([100] * 3, 0) is None
    assert seasonal.judge([100] * 4, 0) is not None


def test_a_distance_has_a_direction() -> None:
    verdict = seasonal.judge([100] * 8, 70)
    assert verdict is not None
    assert verdict.distance == -2
    nothing = seasonal.judge([0] * 8, -1)
    assert nothing is not None
    assert nothing.distance == -math.inf


@pytest.mark.parametrize(("values", "expected"), [([], 0), ([0, 0], 0), ([0, 4, -8, 0, 6], 6)])
def test_what_is_typical_leaves_silence_out(values: list[int], expected: float) -> None:
    assert seasonal.typical(values) == expected


def test_the_same_hour_is_the_walls() -> None:
    """On 29 March 2026 Malta's clocks went forward: before, its noon was an hour later by UTC."""
    hours = seasonal.same_hours(utc(2026, 4, 6, 10), "Europe/Malta", weeks=3)
    assert hours == [utc(2026, 3, 30, 10), utc(2026, 3, 23, 11), utc(2026, 3, 16, 11)]


def test_an_hour_that_clocks_left_out_has_no_like() -> None:
    """02:00 of 29 March 2026 did not come; 02:00 of 25 October 2026 came twice."""
    after = seasonal.same_hours(utc(2026, 4, 5, 0), "Europe/Malta", weeks=2)
    assert after == [utc(2026, 3, 22, 1)]
    twice = seasonal.same_hours(utc(2026, 11, 1, 1), "Europe/Malta", weeks=2)
    assert twice == [utc(2026, 10, 25, 1), utc(2026, 10, 25, 0), utc(2026, 10, 18, 0)]
    second = seasonal.same_hours(utc(2026, 10, 25, 1), "Europe/Malta", weeks=1)
    assert second == [utc(2026, 10, 18, 0)]


def test_hours_are_whole_ones_of_utc_wherever_clocks_stand() -> None:
    """Lord Howe's clocks go by half an hour: on 4 October 2026 forward, from 10:30 to 11:00 before UTC."""
    assert seasonal.same_hours(utc(2026, 10, 8, 3), "Australia/Lord_Howe", weeks=1) == [utc(2026, 10, 1, 3)]
    assert seasonal.same_hours(utc(2026, 3, 2, 3), "Asia/Kolkata", weeks=2) == [
        utc(2026, 3, 2, 3) - back * WEEK for back in (1, 2)
    ]
