"""What sums by type and account are called, and how they change."""

import pytest

from dashboard.queries.rollups import BucketSum
from dashboard.services import figures
from dashboard.services.figures import Figures

ROWS = [
    BucketSum(0, "deposit", "cash", 2, 100_00, 0, 100_00),
    BucketSum(0, "withdrawal", "cash", 1, -30_00, 0, 0),
    BucketSum(0, "reversal", "cash", 1, -10_00, 0, 0),
    BucketSum(0, "wager", "gaming", 3, -20_00, -5_00, 0),
    BucketSum(0, "refund", "gaming", 1, 2_00, 1_00, 3_00),
    BucketSum(0, "settlement", "gaming", 1, 9_00, 1_00, 10_00),
    BucketSum(0, "bonus_grant", "promotions", 1, 0, 8_00, 8_00),
    BucketSum(0, "bonus_expiry", "promotions", 1, 0, -3_00, 0),
    BucketSum(0, "points_conversion", "promotions", 1, 5_00, 0, 5_00),
    BucketSum(0, "adjustment", "adjustments", 2, -4_00, 0, 1_00),
    BucketSum(0, "fee", "fees", 1, -1_50, 0, 0),
]


def test_figures_by_name() -> None:
    assert figures.of(ROWS) == Figures(
        entries=15,
        deposits=100_00,
        withdrawals=30_00,
        cash=60_00,
        stakes=22_00,
        payouts=10_00,
        revenue=12_00,
        bonuses=8_00,
        promotions=10_00,
        adjustments=-4_00,
        fees=1_50,
        real=50_50,
        bonus=2_00,
    )


def test_nothing_comes_to_nothing() -> None:
    assert figures.of([]) == Figures()


@pytest.mark.parametrize(
    ("now", "before", "percent"),
    [(150, 100, 50), (50, -100, 150), (-150, -100, -50), (5, 0, None), (0, 8, -100)],
)
def test_change_is_of_what_it_was(now: int, before: int, percent: float | None) -> None:
    assert figures.change_percent(now, before) == percent


def test_closings_begin_with_what_was_there() -> None:
    assert figures.closings(10, [5, -20, 0]) == [15, -5, -5]
