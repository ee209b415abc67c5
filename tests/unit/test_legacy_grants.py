"""What remains of old bonuses, and how cells of the old tables are read."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.models.bonus import BonusSource, BonusState
from dashboard.services.imports import legacy_grants, legacy_values
from dashboard.services.imports.legacy_grants import Grant

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def make(amount: int, state: BonusState = BonusState.ACTIVE, *, days_old: int = 1) -> Grant:
    at = NOW - dt.timedelta(days=days_old)
    return Grant(
        line=2,
        old_id="g",
        currency="USD",
        name="Welcome",
        source=BonusSource.WELCOME,
        state=state,
        amount=amount,
        required=amount * 20,
        wagered=0,
        granted_at=at,
        expires_at=None,
        changed_at=at,
    )


def remaining(amounts: list[int], bonus: int) -> list[int]:
    grants = [make(amount) for amount in amounts]
    legacy_grants.spread(grants, bonus)
    return [grant.remaining for grant in grants]


@pytest.mark.parametrize(
    ("amounts", "bonus", "wanted"),
    [
        ([1000, 500], 1500, [1000, 500]),
        ([1000, 500], 700, [200, 500]),  # the oldest was staked first
        ([1000, 500], 500, [0, 500]),
        ([1000, 500], 1800, [1300, 500]),  # winnings belong to the oldest
        ([1000], 0, [0]),
    ],
)
def test_what_remains_is_in_the_newest(amounts: list[int], bonus: int, wanted: list[int]) -> None:
    assert remaining(amounts, bonus) == wanted


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.integers(0, 10**7))
def test_grants_hold_the_bonus_whatever_it_is(amounts: list[int], bonus: int) -> None:
    left = remaining(amounts, bonus)
    assert sum(left) == bonus
    assert all(part >= 0 for part in left)


def test_a_grant_of_which_nothing_is_left_has_ended() -> None:
    spent, open_ = make(1000), make(500)
    legacy_grants.spread([spent, open_], 500)
    assert (spent.state, open_.state) == (BonusState.FORFEITED, BonusState.ACTIVE)
    assert spent.end_reason == "Nothing was left of it when it moved in."


def test_only_active_grants_share_the_bonus() -> None:
    waiting, done, open_ = make(300, BonusState.QUEUED), make(900, BonusState.COMPLETED), make(500)
    legacy_grants.spread([waiting, done, open_], 400)
    assert [grant.remaining for grant in (waiting, done, open_)] == [0, 0, 400]


def test_the_end_is_counted_in_days_begun() -> None:
    grant = make(100, days_old=2)
    assert grant.validity_days == legacy_grants.OPEN_DAYS
    grant.expires_at = NOW + dt.timedelta(hours=1)
    assert grant.validity_days == 3


@pytest.mark.parametrize(
    ("cell", "currency", "minor"),
    [
        ("12.5", "USD", 1250),
        ("-0.01", "USD", -1),
        ("12.5000", "USD", 1250),
        ("7", "JPY", 7),
        ("0.001", "KWD", 1),
        ("", "USD", 0),
        ("0000000000000000000012.00", "USD", 1200),
    ],
)
def test_amounts_are_read_exactly(cell: str, currency: str, minor: int) -> None:
    assert legacy_values.amount(cell, currency, what="amount", minor_units=False) == minor


@pytest.mark.parametrize("cell", ["12.345", "1e3", "NaN", "1,000.00", "12.", ".5", "٣", "--1", "1" * 20])
def test_amounts_that_are_none_are_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^amount: “"):
        legacy_values.amount(cell, "USD", what="amount", minor_units=False)


def test_minor_units_are_whole_numbers() -> None:
    assert legacy_values.amount("1250", "USD", what="amount", minor_units=True) == 1250
    assert legacy_values.amount("1250.00", "USD", what="amount", minor_units=True) == 1250
    for cell in ("12.50", "9" * 17, "9" * 5000):
        with pytest.raises(ValueError, match=r"^amount: “"):
            legacy_values.amount(cell, "USD", what="amount", minor_units=True)
