"""Amounts: what may be typed, how it is shown, and that splitting loses nothing."""

import csv
import os
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import money
from dashboard.config import ROOT

CURRENCIES = Path(os.environ.get("PURSER_DATA", ROOT.parent / "shared" / "data")) / "currencies"

FIGURES = "Enter an amount in figures, such as 1,234.50 or -20."
MISSING = "Enter an amount."


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("1,234.50", "USD", 123450),
        ("-20", "USD", -2000),
        ("0.01", "USD", 1),
        ("  7 ", "USD", 700),
        ("+7", "USD", 700),
        ("−7.5", "USD", -750),
        ("0", "USD", 0),
        ("-0", "USD", 0),
        ("007", "USD", 700),
        ("1234567.89", "USD", 123456789),
        ("1,234,567.89", "USD", 123456789),
        ("12,34,567.89", "INR", 123456789),
        ("1,500", "JPY", 1500),
        ("1.005", "KWD", 1005),
        ("1.5", "KWD", 1500),
        ("0.0001", "CLF", 1),
        ("10,000,000,000,000.00", "USD", 10**15),
        ("-10000000000000", "USD", -(10**15)),
        ("1,000,000,000,000,000", "JPY", 10**15),
        ("000000000000000000000001", "USD", 100),
    ],
)
def test_it_reads_what_people_type(typed: str, currency: str, minor: int) -> None:
    assert money.parse(typed, currency) == minor


@pytest.mark.parametrize(
    ("typed", "currency", "message"),
    [
        ("", "USD", MISSING),
        (" \t ", "USD", MISSING),
        ("NaN", "USD", FIGURES),
        ("sNaN", "USD", FIGURES),
        ("Infinity", "USD", FIGURES),
        ("-inf", "USD", FIGURES),
        ("1e5", "USD", FIGURES),
        ("1E400", "USD", FIGURES),
        ("1_000", "USD", FIGURES),
        ("0x10", "USD", FIGURES),
        ("١٢", "USD", FIGURES),
        ("１２", "USD", FIGURES),
        ("1²", "USD", FIGURES),
        ("1 000", "USD", FIGURES),
        ("1.234,50", "USD", FIGURES),
        ("1,23", "USD", FIGURES),
        ("1,2345", "USD", FIGURES),
        ("1,,234", "USD", FIGURES),
        (",123", "USD", FIGURES),
        ("1234,567", "USD", FIGURES),
        (".5", "USD", FIGURES),
        ("5.", "USD", FIGURES),
        ("1.2.3", "USD", FIGURES),
        ("-", "USD", FIGURES),
        ("--5", "USD", FIGURES),
        ("5-", "USD", FIGURES),
        ("(5)", "USD", FIGURES),
        ("$5", "USD", FIGURES),
        ("5 USD", "USD", FIGURES),
        ("1\n2", "USD", FIGURES),
        ("1\x00", "USD", FIGURES),
        ("1.005", "USD", "USD amounts have at most 2 decimals."),
        ("1.000", "USD", "USD amounts have at most 2 decimals."),
        ("1.5", "JPY", "JPY amounts have no decimals."),
        ("1.0", "JPY", "JPY amounts have no decimals."),
        ("1.0005", "KWD", "KWD amounts have at most 3 decimals."),
        ("10,000,000,000,000.01", "USD", "Enter at most 10,000,000,000,000.00 USD."),
        ("-10000000000000.01", "USD", "Enter at most 10,000,000,000,000.00 USD."),
        ("10000000000000000", "USD", "Enter at most 10,000,000,000,000.00 USD."),
        ("1000000000000001", "JPY", "Enter at most 1,000,000,000,000,000 JPY."),
        pytest.param("9" * 5000, "USD", "Enter at most 10,000,000,000,000.00 USD.", id="5000 digits"),
    ],
)
def test_it_refuses_the_rest_and_says_how_to_mend_it(typed: str, currency: str, message: str) -> None:
    with pytest.raises(money.InvalidAmount) as refused:
        money.parse(typed, currency)

    assert (refused.value.message, refused.value.field) == (message, "amount")


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("USD", 2), ("CZK", 2), ("JPY", 0), ("ISK", 0), ("UYI", 0), ("KWD", 3), ("TND", 3), ("CLF", 4)],
)
def test_a_currency_has_its_decimals(currency: str, decimals: int) -> None:
    assert money.exponent(currency) == decimals
    assert money.from_whole(7, currency) == 7 * 10**decimals


@pytest.mark.skipif(not CURRENCIES.is_dir(), reason=f"PURSER_DATA holds no currencies: {CURRENCIES}")
def test_the_decimals_are_those_of_the_published_list() -> None:
    with (CURRENCIES / "codes-all.csv").open(encoding="utf-8") as lines:
        published = {
            row["AlphabeticCode"]: int(row["MinorUnit"])
            for row in csv.DictReader(lines)
            if not row["WithdrawalDate"] and row["MinorUnit"].isdigit()
        }

    assert len(published) > 150
    assert {code: money.exponent(code) for code in published} == published
    # Codes with an X belong to no country; the newest of them are not in every release of CLDR.
    assert [code for code in published if not money.is_currency(code) and not code.startswith("X")] == []


@pytest.mark.parametrize("code", ["", "US", "usd", "USDT", "ZZZ", "U1D", "€"])
def test_what_is_no_currency(code: str) -> None:
    assert not money.is_currency(code)


@pytest.mark.parametrize(
    ("minor", "currency", "shown", "plain"),
    [
        (123450, "USD", "1,234.50", "1234.50"),
        (-2000, "USD", "−20.00", "-20.00"),
        (-1, "USD", "−0.01", "-0.01"),
        (0, "USD", "0.00", "0.00"),
        (5, "KWD", "0.005", "0.005"),
        (-1500, "JPY", "−1,500", "-1500"),
        (0, "JPY", "0", "0"),
        (99, "INR", "0.99", "0.99"),
        (99900, "INR", "999.00", "999.00"),
        (100000, "INR", "1,000.00", "1000.00"),
        (10000000, "INR", "1,00,000.00", "100000.00"),
        (-123456789, "INR", "−12,34,567.89", "-1234567.89"),
        (1000000700, "INR", "1,00,00,007.00", "10000007.00"),
        (10**15, "PKR", "1,00,00,00,00,00,000.00", "10000000000000.00"),
        (10**15, "USD", "10,000,000,000,000.00", "10000000000000.00"),
    ],
)
def test_it_is_shown_as_people_and_as_machines_read_it(
    minor: int, currency: str, shown: str, plain: str
) -> None:
    assert money.show(minor, currency) == shown
    assert money.plain(minor, currency) == plain


@pytest.mark.parametrize(("minor", "shown"), [(5, "+0.05"), (0, "0.00"), (-5, "−0.05")])
def test_a_plus_is_shown_where_it_is_asked_for(minor: int, shown: str) -> None:
    assert money.show(minor, "USD", signed=True) == shown


amounts = st.integers(-money.MAX_MINOR, money.MAX_MINOR)


@given(amounts, st.sampled_from(["USD", "JPY", "KWD", "CLF", "INR", "PKR"]))
def test_what_is_shown_can_be_typed_again(minor: int, currency: str) -> None:
    assert money.parse(money.show(minor, currency), currency) == minor
    assert money.parse(money.show(minor, currency, signed=True), currency) == minor
    assert money.parse(money.plain(minor, currency), currency) == minor


@given(st.text())
def test_no_text_does_anything_but_be_read_or_refused(typed: str) -> None:
    with suppress(money.InvalidAmount):
        assert abs(money.parse(typed, "USD")) <= money.MAX_MINOR


@pytest.mark.parametrize(
    ("exact", "minor"),
    [
        (Fraction(1, 2), 0),
        (Fraction(3, 2), 2),
        (Fraction(5, 2), 2),
        (Fraction(-1, 2), 0),
        (Fraction(-3, 2), -2),
        (Fraction(2499999, 1000000), 2),
        (Decimal("0.5"), 0),
        (Decimal("1.5"), 2),
        (Decimal("-2.5"), -2),
        (Decimal("2.5000001"), 3),
    ],
)
def test_halves_are_rounded_to_even(exact: Fraction | Decimal, minor: int) -> None:
    assert money.rounded(exact) == minor


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1, [1, 1], [1, 0]),
        (0, [3, 5], [0, 0]),
        (1000, [0, 1], [0, 1000]),
        (10, [70, 20, 10], [7, 2, 1]),
    ],
)
def test_the_first_part_takes_the_remainder(total: int, weights: list[int], parts: list[int]) -> None:
    assert money.split(total, weights) == parts


@given(amounts, st.lists(st.integers(0, 10_000), min_size=1, max_size=12).filter(any))
def test_the_parts_sum_to_the_whole_and_only_the_first_is_off(total: int, weights: list[int]) -> None:
    parts = money.split(total, weights)

    assert sum(parts) == total
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        assert 0 <= abs(Fraction(total * weight, sum(weights))) - abs(part) < 1
        assert part * total >= 0
    assert abs(parts[0] - Fraction(total * weights[0], sum(weights))) < len(parts)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [2, -1]])
def test_weights_that_mean_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        money.split(100, weights)
