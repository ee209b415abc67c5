"""The VIP table through the door: each level of a real operator, on both sides of each boundary."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import balances
from tests.builders import NOW, change, make_operator, make_player
from tests.vip_table import TABLE, Row

T = ChangeType
DAY = dt.timedelta(days=1)

every_level = pytest.mark.parametrize("row", TABLE, ids=[row.level for row in TABLE])


def player_of(session: Session, row: Row, *, balance: int = 0, currency: str = "USD") -> int:
    operator = make_operator(session, currency=currency)
    player = make_player(session, operator_id=operator)
    if balance:
        change(session, player, balance, T.OPENING, currency=currency, now=NOW - 30 * DAY)
    session.execute(
        text("UPDATE wallets SET vip_level = :level WHERE player_id = :p"), {"level": row.level, "p": player}
    )
    return player


def refused(
    session: Session, player: int, amount: int, change_type: T = T.ADJUSTMENT, **named: Any
) -> set[str]:
    with pytest.raises(balances.ChangeRefused) as raised:
        change(session, player, amount, change_type, **named)
    return {problem.code for problem in raised.value.judgement.validation.errors}


@every_level
def test_the_minimum(session: Session, row: Row) -> None:
    player = player_of(session, row)

    assert refused(session, player, row.min_balance * 100 - 1, T.FEE) == {"below_minimum"}
    assert change(session, player, row.min_balance * 100, T.FEE).entry.real_after == row.min_balance * 100
    assert refused(session, player, -1, T.FEE) == {"below_minimum"}
    change(session, player, 1)


@every_level
def test_the_maximum(session: Session, row: Row) -> None:
    player = player_of(session, row, balance=row.max_balance * 100 - 500)

    assert refused(session, player, 501) == {"above_maximum"}
    assert change(session, player, 500).entry.real_after == row.max_balance * 100
    assert refused(session, player, 1) == {"above_maximum"}
    change(session, player, -1)


@every_level
def test_the_daily_limit_is_gross_and_of_the_calendar_day(session: Session, row: Row) -> None:
    player, limit = player_of(session, row, balance=900_000_00), row.daily_limit * 100
    # Half goes in, half goes out again: a net sum would be zero.
    change(session, player, limit // 2, T.DEPOSIT)
    change(session, player, -(limit // 2) + 500, T.WITHDRAWAL)
    change(session, player, -7_000, T.FEE)  # counts to nothing

    assert refused(session, player, 501) == {"daily_limit"}
    assert refused(session, player, -501) == {"daily_limit"}
    change(session, player, -500)
    assert refused(session, player, 1) == {"daily_limit"}
    # Midnight in Malta is 23:00 in UTC.
    last = dt.datetime(2026, 3, 2, 22, 59, 59, 999999, tzinfo=dt.UTC)
    assert refused(session, player, 1, now=last) == {"daily_limit"}
    change(session, player, 1, now=dt.datetime(2026, 3, 2, 23, tzinfo=dt.UTC))


@every_level
def test_the_weekly_limit_is_of_the_iso_week(session: Session, row: Row) -> None:
    player, daily = player_of(session, row, balance=900_000_00), row.daily_limit * 100
    assert row.weekly_limit == 4 * row.daily_limit
    for day in range(3):
        change(session, player, daily * (-1) ** day, now=NOW + day * DAY)
    thursday, friday = NOW + 3 * DAY, NOW + 4 * DAY
    change(session, player, -daily + 500, now=thursday)

    assert refused(session, player, 501, now=friday) == {"weekly_limit"}
    change(session, player, 500, now=friday)
    assert refused(session, player, -1, now=friday) == {"weekly_limit"}
    sunday_night = dt.datetime(2026, 3, 8, 22, 59, 59, 999999, tzinfo=dt.UTC)
    assert refused(session, player, 1, now=sunday_night) == {"weekly_limit"}
    change(session, player, 1, now=sunday_night + dt.timedelta(microseconds=1))


@every_level
def test_four_fifths_of_a_limit_are_told(session: Session, row: Row) -> None:
    player = player_of(session, row, balance=900_000_00)

    below = change(session, player, row.daily_limit * 80 - 1).judgement
    reached = change(session, player, 1).judgement

    assert below is not None
    assert reached is not None
    assert below.validation.warnings == []
    assert [problem.code for problem in reached.validation.warnings] == ["daily_limit_nearly_used"]


@every_level
def test_the_thresholds_and_the_drop(session: Session, row: Row) -> None:
    player = player_of(session, row, balance=2_000_00)
    told = []
    for after in (1_000_00, 999_99, 500_00, 100_00, 99_99):
        real = session.scalar(text("SELECT real FROM balances WHERE player_id = :p"), {"p": player})
        judgement = change(session, player, after - real, T.FEE).judgement
        assert judgement is not None
        told.append({problem.code for problem in judgement.validation.warnings})

    assert told == [
        {"significant_drop"},  # exactly half
        {"under_warning"},
        {"under_warning"},  # a cent less than half
        {"under_warning", "significant_drop"},
        {"under_critical"},
    ]


@pytest.mark.parametrize(("currency", "unit"), [("JPY", 1), ("KWD", 1000)])
def test_the_table_holds_in_currencies_with_other_decimals(
    session: Session, currency: str, unit: int
) -> None:
    player = player_of(session, TABLE[1], currency=currency)

    assert refused(session, player, 50_000 * unit + 1, currency=currency) == {"daily_limit"}
    change(session, player, 50_000 * unit, currency=currency)
    assert refused(session, player, -60_000 * unit - 1, T.FEE, currency=currency) == {"below_minimum"}


def test_a_limit_that_was_lowered_refuses_at_once_and_one_that_was_raised_allows(session: Session) -> None:
    player = player_of(session, TABLE[0], balance=900_000_00)
    change(session, player, 25_000_00)
    assert refused(session, player, 1) == {"daily_limit"}

    session.execute(text("UPDATE wallets SET vip_level = 'bronze' WHERE player_id = :p"), {"p": player})

    change(session, player, 25_000_00)
    assert refused(session, player, 1) == {"daily_limit"}


def test_days_of_23_and_25_hours_are_days(session: Session) -> None:
    player = player_of(session, TABLE[0], balance=900_000_00)
    # In Malta 25 October 2026 lasts from 22:00 UTC the evening before until 23:00 UTC.
    first, last = (
        dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 22, 59, tzinfo=dt.UTC),
    )
    change(session, player, 25_000_00, now=first)

    assert refused(session, player, 1, now=last) == {"daily_limit"}
    change(session, player, 1, now=last + dt.timedelta(minutes=1))


def test_what_was_used_is_the_players_and_the_currencys_own(session: Session) -> None:
    operator = make_operator(session, currencies=("EUR",))
    first, second = (make_player(session, operator_id=operator) for _ in range(2))
    change(session, first, 25_000_00)

    change(session, first, 25_000_00, currency="EUR")
    change(session, second, 25_000_00)
