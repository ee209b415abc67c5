"""The example under the form of a contract, what is typed there, and the bars of the list."""

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form

from dashboard.forms.partners import PercentField, percent
from dashboard.models.partner import LossPolicy
from dashboard.services import partner_example
from dashboard.services.partner_terms import Terms
from dashboard.views.partner_pages import Bars, bars


@pytest.mark.parametrize(
    ("policy", "lost", "both", "carried"),
    [
        (LossPolicy.PERIOD, -20_00, 30_00, 0),
        (LossPolicy.CARRY, -20_00, 30_00, -20_00),
        (LossPolicy.PER_ROUND, 0, 50_00, 0),
    ],
)
def test_the_example_by_policy(policy: LossPolicy, lost: int, both: int, carried: int) -> None:
    found = partner_example.example(Terms(50_00, 10_00, policy), "USD")
    assert (found.won.real_profit, found.won.shown.profit, found.won.shown.earned) == (
        1_000_00,
        500_00,
        50_00,
    )
    assert (found.lost.real_profit, found.lost.shown.profit, found.lost.shown.earned) == (
        -400_00,
        -200_00,
        lost,
    )
    assert (found.both, found.carried, found.agreed) == (both, carried, 30_00)


def test_the_example_knows_the_currencys_decimals() -> None:
    assert partner_example.example(Terms(50_00, 10_00), "JPY").won.shown.earned == 50
    assert partner_example.example(Terms(50_00, 10_00), "KWD").won.shown.earned == 50_000


@pytest.mark.parametrize(
    ("share", "rate", "said"),
    [
        (50_00, 10_00, "5"),
        (75_00, 40_00, "30"),
        (1, 1, "0.000001"),
        (100_00, 100_00, "100"),
        (60_00, 33_33, "19.998"),
    ],
)
def test_share_times_rate_is_said_exactly(share: int, rate: int, said: str) -> None:
    assert partner_example.of_profit(share, rate) == said


@pytest.mark.parametrize(
    ("typed", "read"),
    [("50", 50_00), ("12.5", 12_50), ("7.25 %", 7_25), ("0.01", 1), ("100%", 100_00), ("100.00", 100_00)],
)
def test_percentages_as_they_are_typed(typed: str, read: int) -> None:
    form = _Form(MultiDict({"share": typed}))
    assert form.validate()
    assert form.share.data == read


@pytest.mark.parametrize(
    "typed", ["", "0", "0.00", "100.01", "101", "1e1", "-5", "5,5", "12.345", "NaN", "half"]
)
def test_what_is_no_percentage_is_refused(typed: str) -> None:
    form = _Form(MultiDict({"share": typed}))
    assert not form.validate()
    assert "such as 50 or 12.5" in form.share.errors[0]
    assert f'value="{typed}"' in str(form.share())


@pytest.mark.parametrize(("bp", "said"), [(50_00, "50"), (12_50, "12.5"), (7_25, "7.25"), (1, "0.01")])
def test_percentages_as_they_are_said(bp: int, said: str) -> None:
    assert percent(bp) == said


def test_bars_stand_on_their_base() -> None:
    assert bars([10, 5, 0]) == Bars(6, 100, "M1 100V0M3 100V50", "")
    assert bars([30, -10]) == Bars(4, 75, "M1 75V0", "M3 75V100")
    assert bars([-4]) == Bars(2, 0, "", "M1 0V100")
    assert bars([0, 0]) is None
    assert bars([]) is None


def test_the_smallest_bar_is_seen() -> None:
    assert bars([1_000_000, 1]) == Bars(4, 100, "M1 100V0M3 100V99", "")


class _Form(Form):
    share = PercentField("Share")
