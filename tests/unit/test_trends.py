"""Direction, volatility, course and risk of series made by hand: expected is what the definitions say."""

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

import pytest

from dashboard import clock
from dashboard.clock import Span
from dashboard.services import trends
from dashboard.services.trends import Direction, Point, RiskLevel

UP, DOWN, FLAT = Direction.UP, Direction.DOWN, Direction.FLAT

# Name, opening, closings, direction, slope a bucket (Σ(x − x̄)(y − ȳ) ÷ Σ(x − x̄)²), volatility in percent.
SERIES = [
    ("one point", 0, [500], FLAT, 0, 0),
    ("two points", 100, [100, 900], FLAT, 0, 113.137085),  # changes 0, 800: 565.685 ÷ 500
    ("nothing", 0, [], FLAT, 0, 0),
    ("constant zero", 0, [0] * 10, FLAT, 0, 0),
    ("constant", 700, [700] * 10, FLAT, 0, 0),
    ("constant debt", -700, [-700] * 10, FLAT, 0, 0),
    ("rising by a line", 0, [100, 200, 300, 400, 500], UP, 100, 0),
    ("falling by a line", 600, [500, 400, 300, 200, 100], DOWN, -100, 0),
    ("falling into debt", 200, [100, 0, -100, -200, -300], DOWN, -100, 0),
    ("debt being paid", -600, [-500, -400, -300, -200, -100], UP, 100, 0),
    # Significant, but 10 × 4 is less than 5 % of 1,000.
    ("rising too little", 996, [1000 + 4 * at for at in range(10)], FLAT, 4, 0),
    # 10 × 6 is more than 5 % of 1,027.
    ("rising enough", 994, [1000 + 6 * at for at in range(10)], UP, 6, 0),
    ("saw-tooth", 0, [0, 100] * 5, FLAT, 100 / 33, 198.885785),
    ("step up", 100, [100] * 5 + [200] * 5, UP, 1250 / 82.5, 21.081851),
    ("step down", 200, [200] * 5 + [100] * 5, DOWN, -1250 / 82.5, 21.081851),
    ("spike", 100, [100] * 4 + [1000] + [100] * 5, FLAT, -450 / 82.5, 223.296878),
    ("last bucket jumps", 10, [10] * 9 + [1000], FLAT, 4455 / 82.5, 287.216044),
    ("doubling", 1, [2, 4, 8, 16, 32, 64], UP, 201 / 17.5, 56.484300),
    ("up and down again", 0, [1, 2, 3, 4, 5, 4, 3, 2, 1], FLAT, 0, 37.947332),
    ("around zero", 0, [10, -10, 10, -10, 10, -10], FLAT, -120 / 70, 204.124145),
    ("mean zero by signs", 0, [-30, -20, -10, 0, 10, 20, 30], UP, 10, 88.191710),
    ("days without entries", 50, [50, 50, 50, 400, 400, 400, 400], UP, 2100 / 28, 52.915026),
]


@pytest.mark.parametrize(
    ("opening", "closings", "direction", "slope", "percent"),
    [row[1:] for row in SERIES],
    ids=[row[0] for row in SERIES],
)
def test_series(
    opening: int, closings: Sequence[int], *, direction: Direction, slope: float, percent: float
) -> None:
    found = trends.trend(closings)
    assert (found.direction, found.slope) == (direction, pytest.approx(slope))
    swings = trends.volatility(opening, closings)
    assert swings.percent == pytest.approx(percent, abs=1e-6)
    assert swings.score == pytest.approx(100 * percent / (percent + 25), abs=1e-6)


def test_the_mean_is_weighted_by_time() -> None:
    start = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    changes = [Point(start + dt.timedelta(hours=6), 400), Point(start + dt.timedelta(hours=18), -200)]
    whole = trends.course(100, changes, Span(start, start + dt.timedelta(hours=24)))
    assert (whole.opening, whole.closing, whole.low, whole.high, whole.change) == (100, -200, -200, 400, -300)
    # 6 hours of 100, 12 of 400, 6 of −200.
    assert whole.mean == Fraction(600 + 4800 - 1200, 24)
    assert whole.change_percent == -300


@pytest.mark.parametrize(("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)])
def test_a_day_on_which_the_clocks_change(day: dt.date, hours: int) -> None:
    """A balance that stands for the day's last hour counts one 23rd, or one 25th."""
    span = clock.between(day, day + dt.timedelta(days=1), "Europe/Malta")
    whole = trends.course(0, [Point(span.end - dt.timedelta(hours=1), 1000)], span)
    assert whole.mean == Fraction(1000, hours)


def test_from_nothing_there_is_no_percentage() -> None:
    start = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    span = Span(start, start + dt.timedelta(hours=1))
    assert trends.course(0, [Point(start, 50)], span).change_percent is None
    assert trends.course(-100, [Point(start, -50)], span).change_percent == 50


@pytest.mark.parametrize(
    ("given", "points", "level"),
    [
        ({}, 0, RiskLevel.LOW),
        ({"closing": 0}, 25, RiskLevel.MEDIUM),
        ({"closing": 10}, 24.75, RiskLevel.LOW),
        ({"closing": 500}, 12.5, RiskLevel.LOW),
        ({"closing": -500}, 25, RiskLevel.MEDIUM),
        ({"swings": 25.0}, 15, RiskLevel.LOW),
        ({"below_warning": 1.0}, 10, RiskLevel.LOW),
        ({"below_warning": 1.0, "below_critical": 0.5}, 15, RiskLevel.LOW),
        ({"open_alerts": 2}, 10, RiskLevel.LOW),
        ({"open_alerts": 1, "critical_alerts": 1}, 10, RiskLevel.LOW),
        ({"open_alerts": 9}, 15, RiskLevel.LOW),
        ({"anomalies": 3}, 10, RiskLevel.LOW),
        ({"closing": 0, "open_alerts": 3, "anomalies": 2}, 50, RiskLevel.HIGH),
        (
            {"closing": 0, "open_alerts": 3, "anomalies": 2, "below_warning": 1.0, "swings": 25.0},
            75,
            "critical",
        ),
    ],
)
def test_risk_is_the_sum_of_its_parts(given: dict[str, float], points: float, level: str) -> None:
    closing = int(given.get("closing", 1000))
    whole = trends.Course(1000, closing, min(closing, 1000), 1000, Fraction(1000))
    percent = given.get("swings", 0.0)
    found = trends.risk(
        whole,
        trends.Volatility(percent, 100 * percent / (percent + 25)),
        below_warning=given.get("below_warning", 0.0),
        below_critical=given.get("below_critical", 0.0),
        open_alerts=int(given.get("open_alerts", 0)),
        critical_alerts=int(given.get("critical_alerts", 0)),
        anomalies=int(given.get("anomalies", 0)),
    )
    assert (found.points, found.level) == (pytest.approx(points), level)
    assert sum(part.points for part in found.parts) == pytest.approx(found.points)
    assert all(part.points <= part.most for part in found.parts)
    assert sum(part.most for part in found.parts) == 100


def test_a_balance_is_below_a_threshold_for_a_share_of_the_time() -> None:
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    span = Span(start, start + dt.timedelta(days=10))
    changes = [
        trends.Point(start + dt.timedelta(days=2), 50),
        trends.Point(start + dt.timedelta(days=7), 300),
    ]
    assert trends.share_below(200, changes, span, 200) == pytest.approx(0.5)
    assert trends.share_below(200, changes, span, 201) == pytest.approx(0.7)
    assert trends.share_below(200, changes, span, 50) == 0
    assert trends.share_below(200, [], Span(start, start), 500) == 0
