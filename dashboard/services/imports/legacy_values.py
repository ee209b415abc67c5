"""Cells of the old tables as values. Pure; everything raises ValueError that says what is wrong."""

import datetime as dt
import re

from dashboard import money
from dashboard.errors import Rejected

_NUMBER = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?")
_YES, _NO = frozenset({"t", "true", "1", "yes"}), frozenset({"", "f", "false", "0", "no"})


def amount(cell: str, currency: str, *, what: str, minor_units: bool) -> int:
    """An amount in minor units, exactly as it stands: nothing is ever rounded. An empty cell is 0.

    Zeros beyond the currency's decimals are no figures (`12.5000` is 12.50 USD).
    """
    if not cell:
        return 0
    match = _NUMBER.fullmatch(cell)
    if match is None:
        raise ValueError(f"{what}: “{cell}” is no amount")
    whole, fraction = match["whole"].lstrip("0") or "0", (match["fraction"] or "").rstrip("0")
    if minor_units:
        if fraction:
            raise ValueError(f"{what}: “{cell}” is no whole number of minor units")
        # The length first: Python makes no integer of more than 4300 digits.
        if len(whole) > len(str(money.MAX_MINOR)) or int(whole) > money.MAX_MINOR:
            raise ValueError(f"{what}: “{cell}” is more than an amount may be")
        return int(match["sign"] + whole)
    try:
        return money.parse(match["sign"] + whole + (f".{fraction}" if fraction else ""), currency)
    except Rejected as error:
        raise ValueError(f"{what}: “{cell}”: {error.message.rstrip('.')}") from None


def not_negative(value: int, *, what: str) -> int:
    """The same value."""
    if value < 0:
        raise ValueError(f"{what} is negative")
    return value


def count(cell: str, *, what: str) -> int:
    """A whole number that is not negative; 0 for an empty cell."""
    if not re.fullmatch(r"[0-9]{0,15}", cell):
        raise ValueError(f"{what}: “{cell}” is no whole number from 0 on")
    return int(cell or "0")


def moment(cell: str, *, what: str) -> dt.datetime | None:
    """A time as ISO 8601 writes it, in UTC unless it says its offset; None for an empty cell."""
    if not cell:
        return None
    try:
        read = dt.datetime.fromisoformat(cell)
        return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{what}: “{cell}” is no time such as 2024-05-31 14:05:00") from None


def past_moment(cell: str, *, what: str, now: dt.datetime) -> dt.datetime | None:
    """The same, refused where it lies in the future."""
    read = moment(cell, what=what)
    if read is not None and read > now:
        raise ValueError(f"{what}: “{cell}” lies in the future")
    return read


def flag(cell: str, *, what: str) -> bool:
    """Yes or no, as databases write them; an empty cell is no."""
    if cell.lower() not in _YES | _NO:
        raise ValueError(f"{what}: “{cell}” is neither true nor false")
    return cell.lower() in _YES


def identifier(cell: str, *, what: str) -> str:
    """An old id: 1 to 100 characters."""
    if not 1 <= len(cell) <= 100 or "\x00" in cell:
        raise ValueError(f"{what} must have 1 to 100 characters")
    return cell
