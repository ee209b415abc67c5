"""Cells of the old tables of loyalty as values. Pure; what is wrong with one is said by a ValueError."""

import datetime as dt
import re

from dashboard import clock
from dashboard.services.imports import legacy_values
from dashboard.services.imports.legacy_files import Row

ID_MAX = 100
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_PERCENT = re.compile(r"(?P<whole>[0-9]{1,3})(?:\.(?P<fraction>[0-9]{1,10}))?")
_CARD_NUMBER = re.compile(r"[A-Za-z0-9-]{4,40}")


def whole(cell: str, *, what: str) -> int:
    """A whole number, with its sign. An empty cell is none."""
    if not _WHOLE.fullmatch(cell):
        raise ValueError(f"{what}: “{cell}” is no whole number")
    return int(cell)


def is_deleted(row: Row) -> bool:
    """Whether the row was deleted there: it says so, or when."""
    return legacy_values.flag(row["is_deleted"], what="is_deleted") or bool(row["deleted_at"])


def only_a_day(cell: str) -> dt.date | None:
    """The day, where the cell has no time of day; else None."""
    return day(cell, what="the date") if _DAY.fullmatch(cell) else None


def day(cell: str, *, what: str) -> dt.date | None:
    """The day as it is written, whatever time of day stands behind it; None for an empty cell."""
    if not cell:
        return None
    try:
        return dt.date.fromisoformat(cell[:10])
    except ValueError:
        raise ValueError(f"{what}: “{cell}” is no day such as 2024-05-31") from None


def instant(cell: str, *, what: str, zone: str) -> dt.datetime | None:
    """A time, in UTC unless it says its offset; a day alone begins at the operator's midnight."""
    if _DAY.fullmatch(cell):
        on = day(cell, what=what)
        return clock.between(on, on, zone).start if on else None
    return legacy_values.moment(cell, what=what)


def moment_or_none(cell: str) -> dt.datetime | None:
    """A time, where it is one."""
    try:
        return legacy_values.moment(cell, what="the time")
    except ValueError:
        return None


def hundredths(cell: str, *, what: str) -> int:
    """A percentage in hundredths of a percent, exactly; 0 for an empty cell."""
    match = _PERCENT.fullmatch(cell or "0")
    fraction = ((match["fraction"] if match else "") or "").rstrip("0")
    if match is None or len(fraction) > 2:
        raise ValueError(f"{what}: “{cell}” is no percentage with at most two decimals")
    return int(match["whole"]) * 100 + int(fraction.ljust(2, "0"))


def is_card_number(cell: str) -> bool:
    """Whether a card of ours may have that number."""
    return _CARD_NUMBER.fullmatch(cell) is not None
