"""The risk score: each part by figures worked out by hand, and what it tells a person."""

from dataclasses import replace

import pytest

from dashboard.services import risk

QUIET = risk.Circumstances(
    amount=300_000,
    earlier=(100_000, 200_000, 300_000, 400_000, 500_000),
    type_name="deposit",
    limit_used=0,
    limit=2_500_000,
    drop_percent=0,
    changes_last_hour=0,
    hour=12,
    active_hours=1 << 12,
)
"""Scores nothing. Its median is 300,000 and its MAD 100,000, so one unit of z is 148,260."""


def part(given: risk.Circumstances, name: str) -> risk.Part:
    scored = risk.score(given)
    others = sum(part.points for part in scored.parts if part.name != name)
    (found,) = (part for part in scored.parts if part.name == name)
    assert scored.points == found.points + others
    return found


def test_the_usual_scores_nothing() -> None:
    assert risk.score(QUIET).points == 0


@pytest.mark.parametrize(
    ("amount", "points", "why"),
    [
        (300_000, 0, "1.0× the usual deposit"),
        (448_260, 10, "1.5× the usual deposit"),  # z = 1
        (151_740, 10, "0.5× the usual deposit"),  # z = 1, below the usual
        (670_650, 25, "2.2× the usual deposit"),  # z = 2.5
        (893_039, 40, "3.0× the usual deposit"),  # z just below 4, rounded
        (893_040, 40, "3.0× the usual deposit"),  # z = 4
        (1_830_000, 40, "6.1× the usual deposit"),  # z = 10.3: never more than 40
        (307_413, 0, "1.0× the usual deposit"),  # z = 0.05: half a point, to even
        (307_414, 1, "1.0× the usual deposit"),
        (322_239, 2, "1.1× the usual deposit"),  # z = 0.15: one and a half, to even
        (641_012, 23, "2.1× the usual deposit"),  # z = 2.3000…
    ],
)
def test_an_amount_is_compared_with_the_players_own(amount: int, points: int, why: str) -> None:
    found = part(replace(QUIET, amount=amount), "amount")

    assert (found.points, found.why) == (points, why)


def test_an_even_history_has_the_middle_of_two_as_its_median() -> None:
    # Median 250; the deviations 150, 50, 50, 150, 250, 150 have the median 150: z = 222.39 / 222.39.
    given = replace(QUIET, earlier=(100, 200, 300, 400, 500, 100), amount=250 + 222)

    found = part(given, "amount")

    assert (found.points, found.why) == (10, "1.9× the usual deposit")


@pytest.mark.parametrize(
    ("amount", "points", "why"),
    [
        (5_000, 0, "1.0× the usual deposit"),
        (5_001, 40, "1.0× the usual deposit"),
        (1, 40, "0.0× the usual deposit"),
    ],
)
def test_without_any_spread_another_amount_is_as_far_as_can_be(amount: int, points: int, why: str) -> None:
    found = part(replace(QUIET, earlier=(5_000,) * 6, amount=amount), "amount")

    assert (found.points, found.why) == (points, why)


def test_one_outlier_does_not_hide_the_next() -> None:
    # Mean and standard deviation would call the second a mere 2.2 of them away.
    found = part(replace(QUIET, earlier=(1_000, 1_100, 900, 1_000, 1_050, 90_000), amount=90_000), "amount")

    assert found.points == 40


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_earlier_entries_say_nothing_about_an_amount(count: int) -> None:
    found = part(replace(QUIET, earlier=(100,) * count, amount=10**9), "amount")

    assert (found.points, found.why) == (0, "too few earlier entries to compare with")


def test_five_earlier_entries_are_enough() -> None:
    assert part(replace(QUIET, earlier=(100,) * 5, amount=10**9), "amount").points == 40


def test_where_the_usual_is_nothing_no_multiple_is_told() -> None:
    assert part(replace(QUIET, earlier=(0,) * 5, amount=1), "amount").why == "the usual deposit is nothing"


@pytest.mark.parametrize(
    ("used", "limit", "points", "why"),
    [
        (0, 2_500_000, 0, "0 % of the daily limit used"),
        (1_250_000, 2_500_000, 10, "50 % of the daily limit used"),
        (2_499_999, 2_500_000, 20, "99 % of the daily limit used"),
        (2_500_000, 2_500_000, 20, "100 % of the daily limit used"),
        (9_000_000, 2_500_000, 20, "360 % of the daily limit used"),
        (62_500, 2_500_000, 0, "2 % of the daily limit used"),  # half a point, to even
        (187_500, 2_500_000, 2, "7 % of the daily limit used"),  # one and a half, to even
        (5, 0, 0, "0 % of the daily limit used"),
    ],
)
def test_the_share_of_the_daily_limit(used: int, limit: int, points: int, why: str) -> None:
    found = part(replace(QUIET, limit_used=used, limit=limit), "limit")

    assert (found.points, found.why) == (points, why)


@pytest.mark.parametrize(("percent", "points"), [(0, 0), (2, 0), (5, 1), (50, 10), (99, 20), (100, 20)])
def test_the_size_of_the_drop(percent: int, points: int) -> None:
    found = part(replace(QUIET, drop_percent=percent), "drop")

    assert (found.points, found.why) == (points, f"takes {percent} % of the real balance")


@pytest.mark.parametrize(("changes", "points"), [(0, 0), (1, 1), (9, 9), (10, 10), (11, 10)])
def test_the_changes_of_the_last_hour(changes: int, points: int) -> None:
    found = part(replace(QUIET, changes_last_hour=changes), "frequency")

    assert (found.points, found.why) == (points, f"{changes} changes in the last hour")


@pytest.mark.parametrize(
    ("hour", "active_hours", "points"),
    [
        (3, 0, 0),  # never active at all: no hour stands out
        (3, 1 << 3, 0),
        (3, 1 << 4, 10),
        (3, 1 << 2, 10),
        (0, 1, 0),
        (0, 1 << 23, 10),
        (23, 1 << 23, 0),
        (23, (1 << 23) - 1, 10),
    ],
)
def test_an_hour_in_which_the_player_was_never_active(hour: int, active_hours: int, points: int) -> None:
    found = part(replace(QUIET, hour=hour, active_hours=active_hours), "hour")

    assert (found.points, found.why) == (points, f"never active between {hour}:00 and {hour}:59")


def test_the_worst_of_everything_is_one_hundred() -> None:
    worst = replace(
        QUIET,
        amount=10**15,
        limit_used=10**15,
        drop_percent=100,
        changes_last_hour=10,
        hour=3,
    )

    scored = risk.score(worst)

    assert scored.points == 100
    assert [part.points for part in scored.parts] == [40, 20, 20, 10, 10]


def test_only_parts_with_points_are_kept_with_the_entry() -> None:
    scored = risk.score(replace(QUIET, amount=448_260, drop_percent=50))

    assert scored.as_metadata() == {
        "risk_amount": 10,
        "risk_amount_why": "1.5× the usual deposit",
        "risk_drop": 10,
        "risk_drop_why": "takes 50 % of the real balance",
    }
