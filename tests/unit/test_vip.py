"""The judgement of one change: every row of the VIP table, on both sides of each of its boundaries."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType, WalletStatus
from dashboard.services import vip
from tests.vip_table import TABLE, Row, rule_of

T = ChangeType
TOMORROW = dt.datetime(2026, 3, 2, 23, tzinfo=dt.UTC)
MONDAY = dt.datetime(2026, 3, 8, 23, tzinfo=dt.UTC)

ALWAYS_CREDITS = {T.DEPOSIT, T.SETTLEMENT, T.REFUND, T.POINTS_CONVERSION}
ALWAYS_DEBITS = {T.WITHDRAWAL, T.FEE, T.WAGER}

every_level = pytest.mark.parametrize("row", TABLE, ids=[row.level for row in TABLE])


def standing(real: int = 5_000_00, **figures: Any) -> vip.Standing:
    quiet = vip.Standing(
        status=WalletStatus.ACTIVE,
        currency="USD",
        real=real,
        bonus=0,
        pending=0,
        used_today=0,
        used_this_week=0,
        day_ends_at=TOMORROW,
        week_ends_at=MONDAY,
    )
    return replace(quiet, **figures)


def judge(row: Row, at: vip.Standing, delta: int, change_type: ChangeType = T.ADJUSTMENT) -> vip.Validation:
    return vip.judge(at, rule_of(row), change_type=change_type, real_delta=delta)


def a_cent(change_type: ChangeType) -> int:
    """The smallest amount in a direction that the type has."""
    return 1 if change_type in ALWAYS_CREDITS else -1


def errors(verdict: vip.Validation) -> set[str]:
    assert verdict.is_valid is not bool(verdict.errors)
    return {problem.code for problem in verdict.errors}


def warnings(verdict: vip.Validation) -> set[str]:
    return {problem.code for problem in verdict.warnings}


class TestTheMinimum:
    @every_level
    def test_a_debit_may_reach_it_and_not_a_cent_less(self, row: Row) -> None:
        whole = -row.min_balance * 100

        assert errors(judge(row, standing(0), -whole, T.FEE)) == set()
        assert errors(judge(row, standing(0), -whole - 1, T.FEE)) == {"below_minimum"}
        assert errors(judge(row, standing(row.min_balance * 100), -1, T.FEE)) == {"below_minimum"}

    @every_level
    def test_a_credit_is_not_asked(self, row: Row) -> None:
        assert errors(judge(row, standing(row.min_balance * 100 - 500), 1)) == set()

    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("default", "−10,000.00"),
            ("bronze", "−10,000.00"),
            ("silver", "−10,000.00"),
            ("gold", "−15,000.00"),
            ("platinum", "−25,000.00"),
            ("diamond", "−50,000.00"),
        ],
    )
    def test_the_refusal_tells_both_figures(self, level: Level, shown: str) -> None:
        row = next(row for row in TABLE if row.level == level)

        (problem,) = judge(row, standing(row.min_balance * 100), -5_00, T.FEE).errors

        reached = f"−{-row.min_balance + 5:,}.00"
        assert problem.message == f"Would reach {reached}, below the minimum of {shown} for {level}."


class TestTheMaximum:
    @every_level
    def test_a_credit_may_reach_it_and_not_a_cent_more(self, row: Row) -> None:
        at = standing(row.max_balance * 100 - 500)

        assert errors(judge(row, at, 500)) == set()
        assert errors(judge(row, at, 501)) == {"above_maximum"}

    @every_level
    def test_a_debit_is_not_asked(self, row: Row) -> None:
        assert errors(judge(row, standing(row.max_balance * 100 + 500), -1)) == set()

    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("default", "1,000,000.00"),
            ("bronze", "1,000,000.00"),
            ("silver", "1,000,000.00"),
            ("gold", "1,500,000.00"),
            ("platinum", "2,500,000.00"),
            ("diamond", "5,000,000.00"),
        ],
    )
    def test_the_refusal_tells_both_figures(self, level: Level, shown: str) -> None:
        row = next(row for row in TABLE if row.level == level)

        (problem,) = judge(row, standing(row.max_balance * 100), 1_50).errors

        reached = f"{row.max_balance + 1:,}.50"
        assert problem.message == f"Would reach {reached}, above the maximum of {shown} for {level}."


@pytest.mark.parametrize("sign", [1, -1], ids=["credit", "debit"])
class TestTheLimits:
    """They are gross, so a debit uses as much of them as a credit."""

    @every_level
    def test_the_daily_limit_may_be_used_up(self, row: Row, sign: int) -> None:
        limit = row.daily_limit * 100
        at = standing(800_000_00, used_today=limit - 500, used_this_week=limit - 500)

        assert errors(judge(row, at, sign * 500)) == set()
        assert errors(judge(row, at, sign * 501)) == {"daily_limit"}
        assert errors(judge(row, standing(800_000_00, used_today=limit), sign * 1)) == {"daily_limit"}

    @every_level
    def test_one_change_may_use_up_the_daily_limit(self, row: Row, sign: int) -> None:
        at = standing(row.daily_limit * 100)

        assert errors(judge(row, at, sign * row.daily_limit * 100)) == set()
        assert errors(judge(row, at, sign * (row.daily_limit * 100 + 1))) == {"daily_limit"}

    @every_level
    def test_the_weekly_limit_may_be_used_up(self, row: Row, sign: int) -> None:
        at = standing(800_000_00, used_this_week=row.weekly_limit * 100 - 500)

        assert errors(judge(row, at, sign * 500)) == set()
        assert errors(judge(row, at, sign * 501)) == {"weekly_limit"}

    @every_level
    def test_four_fifths_of_the_daily_limit_are_told(self, row: Row, sign: int) -> None:
        at = standing(800_000_00, used_today=row.daily_limit * 80 - 500)

        assert warnings(judge(row, at, sign * 499)) == set()
        assert warnings(judge(row, at, sign * 500)) == {"daily_limit_nearly_used"}

    @every_level
    def test_four_fifths_of_the_weekly_limit_are_told(self, row: Row, sign: int) -> None:
        at = standing(800_000_00, used_this_week=row.weekly_limit * 80 - 500)

        assert warnings(judge(row, at, sign * 499)) == set()
        assert warnings(judge(row, at, sign * 500)) == {"weekly_limit_nearly_used"}

    def test_a_limit_that_is_exceeded_is_not_told_twice(self, sign: int) -> None:
        verdict = judge(TABLE[0], standing(800_000_00, used_today=25_000_00), sign * 1)

        assert errors(verdict) == {"daily_limit"}
        assert warnings(verdict) == set()


def test_the_refusal_tells_what_would_be_reached_of_which_limit() -> None:
    bronze = TABLE[1]
    at = standing(used_today=50_000_00, used_this_week=199_000_00)

    verdict = judge(bronze, at, 2_000_00)

    assert [problem.message for problem in verdict.errors] == [
        "Over the daily limit: would reach 52,000.00 of 50,000.00 today.",
        "Over the weekly limit: would reach 201,000.00 of 200,000.00 this week.",
    ]


def test_the_warning_tells_the_share() -> None:
    verdict = judge(TABLE[1], standing(used_today=40_000_00, used_this_week=180_000_00), 2_400_00)

    assert [problem.message for problem in verdict.warnings] == [
        "84 % of the daily limit used: 42,400.00 of 50,000.00 today.",
        "91 % of the weekly limit used: 182,400.00 of 200,000.00 this week.",
    ]


def test_the_meters_tell_what_is_used_and_left_and_until_when() -> None:
    at = standing(used_today=20_000_00, used_this_week=60_000_00)

    day, week = judge(TABLE[0], at, -4_000_00).limits

    assert day == vip.LimitUse("day", 25_000_00, 20_000_00, 4_000_00, TOMORROW)
    assert week == vip.LimitUse("week", 100_000_00, 60_000_00, 4_000_00, MONDAY)
    assert (day.would_use, day.left, day.is_exceeded) == (24_000_00, 1_000_00, False)
    assert (week.would_use, week.left, week.is_exceeded) == (64_000_00, 36_000_00, False)


def test_nothing_is_left_of_an_exceeded_limit() -> None:
    day, _ = judge(TABLE[0], standing(used_today=20_000_00), 5_000_01).limits

    assert (day.left, day.is_exceeded) == (0, True)


@pytest.mark.parametrize("change_type", T)
def test_only_money_that_comes_or_goes_by_hand_counts_to_the_limits(change_type: ChangeType) -> None:
    counted = {T.DEPOSIT, T.WITHDRAWAL, T.ADJUSTMENT, T.TRANSFER}
    at = standing(100_000_00, used_today=25_000_00, used_this_week=100_000_00)

    found = errors(judge(TABLE[0], at, a_cent(change_type), change_type))

    assert found == ({"daily_limit", "weekly_limit"} if change_type in counted else set())


class TestWarnings:
    @every_level
    def test_the_warning_threshold(self, row: Row) -> None:
        assert warnings(judge(row, standing(1_500_00), -500_00)) == set()
        assert warnings(judge(row, standing(1_500_00), -500_01)) == {"under_warning"}

    @every_level
    def test_the_critical_threshold_takes_the_place_of_the_warning(self, row: Row) -> None:
        assert warnings(judge(row, standing(150_00), -50_00)) == {"under_warning"}
        assert warnings(judge(row, standing(150_00), -50_01)) == {"under_critical"}

    @every_level
    def test_a_drop_by_half(self, row: Row) -> None:
        assert warnings(judge(row, standing(10_000_00), -4_999_99)) == set()
        assert warnings(judge(row, standing(10_000_00), -5_000_00)) == {"significant_drop"}

    def test_they_tell_their_figures(self) -> None:
        verdict = judge(TABLE[0], standing(150_00), -100_00)

        assert [problem.message for problem in verdict.warnings] == [
            "Leaves 50.00, under the critical threshold of 100.00.",
            "Takes 66 % of the real balance at once.",
        ]

    def test_a_credit_that_leaves_little_is_warned_of_too(self) -> None:
        assert warnings(judge(TABLE[0], standing(0), 500_00)) == {"under_warning"}

    @pytest.mark.parametrize(("real", "delta"), [(0, -10_00), (-10_00, -10_00), (100_00, 100_00)])
    def test_what_falls_from_nothing_is_no_drop(self, real: int, delta: int) -> None:
        assert "significant_drop" not in warnings(judge(TABLE[0], standing(real), delta))
        assert vip.drop_percent(real, delta) == 0

    @pytest.mark.parametrize(
        ("real", "delta", "percent"),
        [
            (100, -50, 50),
            (10_000_00, -4_999_99, 49),
            (3, -1, 33),
            (3, -2, 66),
            (100, -100, 100),
            (100, -150, 150),
        ],
    )
    def test_a_drop_is_rounded_down(self, real: int, delta: int, percent: int) -> None:
        assert vip.drop_percent(real, delta) == percent


class TestWhatRulesNeverRefuse:
    @pytest.mark.parametrize(
        "change_type",
        [T.SETTLEMENT, T.REFUND, T.REVERSAL, T.BONUS_CONVERSION, T.BONUS_FORFEIT, T.BONUS_EXPIRY],
    )
    @pytest.mark.parametrize("delta", [10**14, -(10**14)])
    def test_however_large(self, change_type: ChangeType, delta: int) -> None:
        at = standing(0, used_today=25_000_00, used_this_week=100_000_00)
        against = {"direction"} if change_type in ALWAYS_CREDITS and delta < 0 else set()

        assert errors(judge(TABLE[0], at, delta, change_type)) == against


@pytest.mark.parametrize("change_type", T)
@pytest.mark.parametrize("delta", [1, -1])
def test_a_type_moves_in_its_own_direction(change_type: ChangeType, delta: int) -> None:
    against = ALWAYS_DEBITS if delta > 0 else ALWAYS_CREDITS

    assert ("direction" in errors(judge(TABLE[0], standing(), delta, change_type))) is (
        change_type in against
    )


class TestCover:
    @pytest.mark.parametrize("change_type", [T.WITHDRAWAL, T.WAGER])
    def test_withdrawals_and_stakes_take_what_is_not_locked(self, change_type: ChangeType) -> None:
        at = standing(100_00, pending=60_00)

        assert errors(judge(TABLE[0], at, -40_00, change_type)) == set()
        assert errors(judge(TABLE[0], at, -40_01, change_type)) == {"not_withdrawable"}

    @pytest.mark.parametrize("change_type", [T.WITHDRAWAL, T.WAGER])
    def test_the_credit_line_is_not_theirs(self, change_type: ChangeType) -> None:
        (problem,) = judge(TABLE[0], standing(-5_00), -1, change_type).errors

        assert problem.code == "not_withdrawable"
        assert problem.message == "More than is withdrawable: 0.01 of 0.00."

    def test_bonus_is_not_withdrawable(self) -> None:
        assert errors(judge(TABLE[0], standing(0, bonus=50_00), -1, T.WITHDRAWAL)) == {"not_withdrawable"}

    @pytest.mark.parametrize("change_type", [T.ADJUSTMENT, T.TRANSFER])
    def test_nothing_goes_out_below_what_is_locked(self, change_type: ChangeType) -> None:
        at = standing(100_00, pending=60_00)

        assert errors(judge(TABLE[0], at, -40_00, change_type)) == set()
        assert errors(judge(TABLE[0], at, -40_01, change_type)) == {"pending"}
        assert errors(judge(TABLE[0], standing(0), -40_01, change_type)) == set()

    @pytest.mark.parametrize(
        ("real", "pending", "withdrawable"),
        [(100, 0, 100), (100, 60, 40), (100, 100, 0), (50, 60, 0), (-5, 0, 0)],
    )
    def test_what_is_withdrawable(self, real: int, pending: int, withdrawable: int) -> None:
        assert vip.withdrawable(real, pending) == withdrawable


class TestStatus:
    @pytest.mark.parametrize("change_type", T)
    def test_what_a_frozen_wallet_takes(self, change_type: ChangeType) -> None:
        taken = {T.SETTLEMENT, T.REFUND, T.REVERSAL, T.BONUS_EXPIRY, T.BONUS_FORFEIT, T.BONUS_CONVERSION}

        found = errors(
            judge(TABLE[0], standing(status=WalletStatus.FROZEN), a_cent(change_type), change_type)
        )

        assert found == (set() if change_type in taken else {"frozen"})

    @pytest.mark.parametrize("change_type", T)
    def test_a_closed_wallet_takes_reversals(self, change_type: ChangeType) -> None:
        found = errors(
            judge(TABLE[0], standing(status=WalletStatus.CLOSED), a_cent(change_type), change_type)
        )

        assert found == (set() if change_type == T.REVERSAL else {"closed"})

    def test_it_says_what_it_does_not_take(self) -> None:
        (problem,) = judge(TABLE[0], standing(status=WalletStatus.FROZEN), 1, T.POINTS_CONVERSION).errors

        assert problem.message == "The wallet is frozen: it takes no points conversion."


class TestAllAtOnce:
    def test_every_error_of_a_debit(self) -> None:
        at = standing(0, status=WalletStatus.FROZEN, used_today=1, used_this_week=90_000_00)

        assert errors(judge(TABLE[0], at, -25_000_00, T.WITHDRAWAL)) == {
            "frozen",
            "not_withdrawable",
            "below_minimum",
            "daily_limit",
            "weekly_limit",
        }

    def test_every_error_of_a_credit(self) -> None:
        at = standing(
            1_000_000_00, status=WalletStatus.CLOSED, used_today=25_000_00, used_this_week=100_000_00
        )

        assert errors(judge(TABLE[0], at, 1, T.DEPOSIT)) == {
            "closed",
            "above_maximum",
            "daily_limit",
            "weekly_limit",
        }

    def test_every_warning(self) -> None:
        at = standing(100_00, used_today=20_000_00, used_this_week=80_000_00)

        assert warnings(judge(TABLE[0], at, -50_00)) == {
            "daily_limit_nearly_used",
            "weekly_limit_nearly_used",
            "under_critical",
            "significant_drop",
        }

    def test_warnings_come_with_errors(self) -> None:
        verdict = judge(TABLE[0], standing(100_00, used_today=25_000_00), -50_00)

        assert errors(verdict) == {"daily_limit"}
        assert warnings(verdict) == {"under_critical", "significant_drop"}

    def test_without_a_rule_the_rest_is_still_said(self) -> None:
        at = standing(0, status=WalletStatus.FROZEN)

        verdict = vip.judge(at, None, change_type=T.WITHDRAWAL, real_delta=-1)

        assert errors(verdict) == {"frozen", "not_withdrawable", "no_rule"}
        assert verdict.limits == []

    def test_nothing_is_no_change(self) -> None:
        assert errors(judge(TABLE[0], standing(), 0)) == {"zero_amount"}
        bonus = vip.judge(
            standing(), rule_of(TABLE[0]), change_type=T.BONUS_GRANT, real_delta=0, bonus_delta=5
        )
        assert errors(bonus) == set()


XP_FROM = {row.level: row.xp_from for row in TABLE if row.xp_from is not None}


@pytest.mark.parametrize(
    ("total_xp", "level"),
    [
        (0, "bronze"),
        (999, "bronze"),
        (1_000, "silver"),
        (9_999, "silver"),
        (10_000, "gold"),
        (49_999, "gold"),
        (50_000, "platinum"),
        (249_999, "platinum"),
        (250_000, "diamond"),
        (10**12, "diamond"),
    ],
)
def test_a_level_is_reached_by_xp(total_xp: int, level: str) -> None:
    assert vip.level_for(total_xp, XP_FROM) == level


def test_without_any_level_to_reach_it_stays_the_default() -> None:
    assert vip.level_for(10**6, {}) == "default"
    assert vip.level_for(0, {Level.SILVER: 1_000}) == "default"
