"""Amounts and currencies: the only place that reads, writes, rounds or splits money.

An amount is an integer in minor units of an ISO 4217 currency. No float ever touches one.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from babel.numbers import list_currencies

from dashboard.errors import Rejected

MAX_MINOR = 10**15
"""Amounts stay within ±10^15 minor units: far from where BIGINT sums could overflow."""

# ISO 4217: the currencies whose minor unit is not the hundredth. CLDR, and so Babel, differs for some.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_LAKH_GROUPING = frozenset({"BDT", "INR", "NPR", "PKR"})
_CODES = frozenset(code for code in list_currencies() if re.fullmatch(r"[A-Z]{3}", code))

_AMOUNT = re.compile(
    r"(?P<sign>[-+\u2212]?)(?P<whole>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3})"
    r"(?:\.(?P<fraction>[0-9]+))?"
)


class InvalidAmount(Rejected):
    """What was typed is no amount of that currency; the message says how to mend it."""


def is_currency(code: str) -> bool:
    """Whether `code` is a three-letter currency code that is or was in use."""
    return code in _CODES


def exponent(currency: str) -> int:
    """How many decimals the currency has: JPY 0, USD 2, KWD 3."""
    return _EXPONENTS.get(currency, 2)


def parse(text: str, currency: str) -> int:
    """Read what a person typed (`1,234.50`, `-20`) as minor units.

    Takes ASCII digits, grouping commas, one point and a sign; nothing else, so no exponent, no
    NaN, no other script's digits. Raises InvalidAmount with a message for the field.
    """
    typed = text.strip()
    if not typed:
        raise InvalidAmount("Enter an amount.", field="amount")
    match = _AMOUNT.fullmatch(typed)
    if match is None:
        raise InvalidAmount("Enter an amount in figures, such as 1,234.50 or -20.", field="amount")
    decimals, fraction = exponent(currency), match["fraction"] or ""
    if len(fraction) > decimals:
        raise InvalidAmount(_too_fine(currency, decimals), field="amount")
    digits = (match["whole"].replace(",", "") + fraction.ljust(decimals, "0")).lstrip("0")
    # The length first: Python makes no integer of more than 4300 digits.
    if len(digits) > len(str(MAX_MINOR)) or (minor := int(digits or "0")) > MAX_MINOR:
        raise InvalidAmount(f"Enter at most {show(MAX_MINOR, currency)} {currency}.", field="amount")
    return -minor if match["sign"] in {"-", "\u2212"} else minor


def _too_fine(currency: str, decimals: int) -> str:
    if decimals == 0:
        return f"{currency} amounts have no decimals."
    return f"{currency} amounts have at most {decimals} decimals."


def show(minor: int, currency: str, *, signed: bool = False) -> str:
    """Write minor units as a person reads them: `1,234.50`, `−20.00`; `signed` adds the plus."""
    decimals = exponent(currency)
    whole, fraction = divmod(abs(minor), 10**decimals)
    sign = "\u2212" if minor < 0 else "+" if signed and minor > 0 else ""
    figures = _lakh(whole) if currency in _LAKH_GROUPING else f"{whole:,}"
    return f"{sign}{figures}.{fraction:0{decimals}d}" if decimals else f"{sign}{figures}"


def _lakh(whole: int) -> str:
    head, tail = divmod(whole, 1000)
    if not head:
        return str(tail)
    digits, groups = str(head), []
    while digits:
        digits, group = digits[:-2], digits[-2:]
        groups.append(group)
    return ",".join([*reversed(groups), f"{tail:03d}"])


def plain(minor: int, currency: str) -> str:
    """Write minor units for a machine or an input field: `1234.50`, `-20.00`, no grouping."""
    decimals = exponent(currency)
    whole, fraction = divmod(abs(minor), 10**decimals)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


def from_whole(units: int, currency: str) -> int:
    """Whole units of the currency as minor units: 10 USD is 1000, 10 JPY is 10."""
    return units * int(10 ** exponent(currency))


def rounded(amount: Fraction | Decimal) -> int:
    """Round an exact amount in minor units half to even, once, at the end of a formula."""
    if isinstance(amount, Decimal):
        return int(amount.to_integral_value(rounding=ROUND_HALF_EVEN))
    return round(amount)


def split(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Split a total in the proportion of `weights`; the first part takes the remainder.

    Every other part is rounded towards zero, so the parts always sum to the whole. Weights are not
    negative and not all zero, or ValueError.
    """
    base = sum(weights)
    if base <= 0 or min(weights) < 0:
        raise ValueError("weights must not be negative and must not all be zero")
    sign = -1 if total_minor < 0 else 1
    parts = [sign * (abs(total_minor) * weight // base) for weight in weights]
    parts[0] += total_minor - sum(parts)
    return parts
