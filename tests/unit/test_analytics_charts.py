"""What a figure of analytics holds at the most, and the words beside it."""

import datetime as dt
import json

import pytest

from dashboard.models.wallet import ChangeType
from dashboard.queries.rollups import BucketSum
from dashboard.services import periods, trends
from dashboard.services.periods import Unit
from dashboard.views import analytics_charts, analytics_pages

MALTA = "Europe/Malta"


def test_the_fullest_figure_holds_fewer_than_2000_points() -> None:
    period = periods.custom(dt.date(2026, 1, 1), dt.date(2026, 5, 1), zone=MALTA)
    assert len(period.buckets) == periods.BUCKETS_MOST
    rows = [
        [BucketSum(at, kind, "cash", 1, 100 + at, 0, 100) for kind in ChangeType]
        for at in range(len(period.buckets))
    ]
    figure = json.loads(analytics_charts.activity(period, rows, currency="USD", timezone=MALTA))
    assert sum(len(trace["x"]) for trace in figure["data"]) == 120 * len(ChangeType) <= 2_000


@pytest.mark.parametrize(("bonus", "visible"), [(0, "legendonly"), (19, "legendonly"), (20, None)])
def test_the_trend_is_drawn_and_little_bonus_money_is_not(bonus: int, visible: str | None) -> None:
    period = periods.custom(dt.date(2026, 1, 1), dt.date(2026, 1, 6), zone=MALTA)
    count = len(period.buckets)
    real = [1000 - count + 1 + at for at in range(count)]
    found = trends.trend(real)
    figure = json.loads(
        analytics_charts.balances(period, real, [bonus] * count, found, currency="JPY", timezone=MALTA)
    )
    drawn, line, rest = figure["data"]
    # What lies on a line is its own trend.
    assert line["y"] == drawn["y"] == real
    assert rest.get("visible") == visible


def test_what_moved_most_is_drawn_first() -> None:
    period = periods.custom(dt.date(2026, 1, 1), dt.date(2026, 1, 6), zone=MALTA)
    moved = {ChangeType.FEE: -5, ChangeType.DEPOSIT: 70, ChangeType.WAGER: -900, ChangeType.ADJUSTMENT: 0}
    rows = [
        [BucketSum(at, kind, "cash", 1, real, 0, abs(real)) for kind, real in moved.items()]
        for at in range(len(period.buckets))
    ]
    figure = json.loads(analytics_charts.activity(period, rows, currency="USD", timezone=MALTA))
    assert [trace["name"] for trace in figure["data"]] == ["Wager", "Deposit", "Fee", "Adjustment"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h"), (3_725, "1 h 2 min"), (183_600, "2 d 3 h")],
)
def test_a_length_is_said_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert analytics_pages.duration(dt.timedelta(seconds=seconds)) == words


def test_no_length_and_no_change_are_a_dash() -> None:
    assert analytics_pages.duration(None) == "–"
    assert analytics_pages.percent_change(None) == "–"
    assert analytics_pages.percent_change(-3.14) == "\u22123.1 %"
    assert analytics_pages.percent_change(999.94) == "+999.9 %"
    assert analytics_pages.percent_change(1_000.0) == "11 ×"


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (Unit.HOUR, "Mon 2 Mar, 14:00"),
        (Unit.DAY, "Mon 2 Mar 2026"),
        (Unit.WEEK, "Mon 2 Mar 2026"),
        (Unit.MONTH, "March 2026"),
    ],
)
def test_a_bucket_has_a_name(unit: Unit, name: str) -> None:
    assert analytics_pages.bucket_name(dt.datetime(2026, 3, 2, 14, tzinfo=dt.UTC), unit) == name
