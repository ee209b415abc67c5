"""The VIP table as the specification has it, typed in here a second time: code must not test itself."""

from typing import NamedTuple

from dashboard.models.vip import Level
from dashboard.services import vip


class Row(NamedTuple):
    """What a level starts with, in whole units of the currency."""

    level: Level
    min_balance: int
    max_balance: int
    daily_limit: int
    weekly_limit: int
    xp_from: int | None


TABLE = (
    Row(Level.DEFAULT, -10_000, 1_000_000, 25_000, 100_000, None),
    Row(Level.BRONZE, -10_000, 1_000_000, 50_000, 200_000, 0),
    Row(Level.SILVER, -10_000, 1_000_000, 100_000, 400_000, 1_000),
    Row(Level.GOLD, -15_000, 1_500_000, 150_000, 600_000, 10_000),
    Row(Level.PLATINUM, -25_000, 2_500_000, 250_000, 1_000_000, 50_000),
    Row(Level.DIAMOND, -50_000, 5_000_000, 500_000, 2_000_000, 250_000),
)
WARNING_THRESHOLD = 1_000
CRITICAL_THRESHOLD = 100
DROP_PERCENT = 50
APPROVAL_THRESHOLD = 500


def rule_of(row: Row, currency: str = "USD", *, unit: int = 100) -> vip.Rule:
    """The rule of a row in a currency whose whole unit has `unit` minor units."""
    return vip.Rule(
        level=row.level,
        currency=currency,
        min_balance=row.min_balance * unit,
        max_balance=row.max_balance * unit,
        daily_limit=row.daily_limit * unit,
        weekly_limit=row.weekly_limit * unit,
        warning_threshold=WARNING_THRESHOLD * unit,
        critical_threshold=CRITICAL_THRESHOLD * unit,
        drop_percent=DROP_PERCENT,
        approval_threshold=APPROVAL_THRESHOLD * unit,
        version=1,
    )
