"""From lines to rows that can be posted, in the order in which they chain. Pure."""

import datetime as dt
import re
from collections.abc import Mapping as Cells
from dataclasses import dataclass, replace
from itertools import groupby
from zoneinfo import ZoneInfo

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services.imports.mapping import PLACEHOLDER, Kind, Mapping, Order
from dashboard.services.imports.reading import Line

_ROW_SPACING = dt.timedelta(milliseconds=1)
"""Rows of a day without a time of day stand this far apart, from the day's first moment on."""
_ID_LENGTH = 100
_NAME_LENGTH = 200
_REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A line that was understood. Amounts in minor units, credits positive."""

    line: int
    external_id: str
    name: str
    at: dt.datetime
    change_type: ChangeType
    amount: int
    recorded: int | None
    """The balance that the source has after it."""
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is not posted, and what speaks against it."""

    line: int
    reason: str


def understand(
    lines: list[Line], mapping: Mapping, *, timezone: str, now: dt.datetime
) -> tuple[list[Row], list[Refused]]:
    """The rows account by account, in the order in which each account's chain, and the lines refused.

    `timezone` is the operator's, for times that say none. A row later than `now` is refused.
    """
    reader = _Reader(mapping, timezone, now)
    rows: list[Row] = []
    refused: list[Refused] = []
    for line in lines:
        try:
            rows.append(reader.read(line))
        except ValueError as error:
            refused.append(Refused(line.number, str(error)))
    rows.sort(key=lambda row: (row.external_id, row.at, _rank(row, mapping.order), row.line))
    return _spaced(rows) if mapping.time.is_date_only else rows, refused


class Amounts:
    """Reads amounts of a mapping's decimal form: ASCII digits, groups of three or none, no exponent."""

    def __init__(self, mapping: Mapping) -> None:
        self._currency = mapping.currency
        self._decimal, self._grouping = mapping.amount.decimal, mapping.amount.grouping
        whole = "[0-9]+"
        if self._grouping:
            whole = f"(?:[0-9]{{1,3}}(?:{re.escape(self._grouping)}[0-9]{{3}})+|[0-9]+)"
        self._form = re.compile(rf"[-+]?{whole}(?:{re.escape(self._decimal)}[0-9]+)?")

    def read(self, cell: str) -> int:
        """In minor units. Raises ValueError that says what is wrong."""
        typed = cell.strip()
        if not self._form.fullmatch(typed):
            raise ValueError(f"“{cell}” is no amount of the form that the mapping gives")
        plain = typed.replace(self._grouping, "") if self._grouping else typed
        try:
            return money.parse(plain.replace(self._decimal, "."), self._currency)
        except Rejected as error:
            raise ValueError(f"“{cell}”: {error.message.rstrip('.')}") from None


class _Reader:
    """Reads lines one by one; what all lines share is made once. Its methods raise ValueError."""

    def __init__(self, mapping: Mapping, timezone: str, now: dt.datetime) -> None:
        self._mapping = mapping
        self._zone = ZoneInfo(mapping.time.zone or timezone)
        self._now = now
        self._amounts = Amounts(mapping)
        self._times: dict[str, dt.datetime] = {}

    def read(self, line: Line) -> Row:
        if line.cells is None:
            raise ValueError("it has not as many cells as the header")
        cells, columns = line.cells, self._mapping.columns
        kind = self._kind(cells[columns.type])
        return Row(
            line=line.number,
            external_id=_limited(
                "external id", self._fill(self._mapping.player.external_id, cells), _ID_LENGTH
            ),
            name=_limited("name", self._fill(self._mapping.player.name, cells), _NAME_LENGTH),
            at=self._time(cells[columns.time]),
            change_type=kind.change_type,
            amount=self._amount(cells[columns.amount], kind),
            recorded=self._recorded(cells),
            reference=self._reference(line.number, cells),
            reason=_limited("reason", self._reason(cells), _REASON_LENGTH),
        )

    def _kind(self, cell: str) -> Kind:
        kind = self._mapping.types.get(cell.strip())
        if kind is None:
            raise ValueError(f"the mapping has no type “{cell}”")
        return kind

    def _time(self, cell: str) -> dt.datetime:
        # Dates come again and again, and strptime is slow.
        if cell not in self._times:
            try:
                read = dt.datetime.strptime(cell.strip(), self._mapping.time.format)  # noqa: DTZ007 - zoned below
            except ValueError:
                raise ValueError(f"“{cell}” is no time of the form {self._mapping.time.format}") from None
            zoned = read if read.tzinfo else read.replace(tzinfo=self._zone)
            self._times[cell] = zoned.astimezone(dt.UTC)
        at = self._times[cell]
        if at > self._now:
            raise ValueError(f"“{cell}” lies in the future")
        return at

    def _amount(self, cell: str, kind: Kind) -> int:
        amount = self._amounts.read(cell)
        if amount == 0:
            raise ValueError("the amount is zero")
        if kind.sign == "amount":
            return amount
        if amount < 0:
            raise ValueError(f"“{cell}” is negative, but its type already says the sign")
        return -amount if kind.sign == "-" else amount

    def _recorded(self, cells: Cells[str, str]) -> int | None:
        column = self._mapping.columns.balance
        if column is None or not cells[column].strip():
            return None
        return self._amounts.read(cells[column])

    def _reference(self, number: int, cells: Cells[str, str]) -> str:
        column = self._mapping.columns.reference
        own = cells[column].strip() if column else ""
        return _limited("reference", own or f"line {number}", _ID_LENGTH)

    def _reason(self, cells: Cells[str, str]) -> str:
        reason = self._mapping.reason
        parts = [self._fill(part, cells) for part in reason.parts]
        return reason.join.join(part for part in parts if part) or reason.otherwise

    def _fill(self, template: str, cells: Cells[str, str]) -> str:
        """The template with what the columns hold, in the mapping's words; empty if all of them are."""
        names = PLACEHOLDER.findall(template)
        values = {name: self._worded(name, cells[name].strip()) for name in names}
        if names and not any(values.values()):
            return ""
        return PLACEHOLDER.sub(lambda found: values[found[1]], template).strip()

    def _worded(self, column: str, value: str) -> str:
        return self._mapping.words.get(column, {}).get(value, value)


def _limited(what: str, text: str, length: int) -> str:
    if not 1 <= len(text) <= length:
        raise ValueError(f"the {what} must have 1 to {length} characters")
    if "\x00" in text:
        raise ValueError(f"the {what} holds a character that no text may hold")
    return text


def _rank(row: Row, order: tuple[Order, ...]) -> tuple[int, int]:
    """Where the row stands among rows of one account and moment: the first part of the order it fits."""
    for place, part in enumerate(order):
        if part.rows == "all" or (part.rows == "credits") == (row.amount > 0):
            value = {"balance": row.recorded or 0, "amount": abs(row.amount), "line": row.line}[part.by]
            return place, value if part.direction == "rising" else -value
    return len(order), 0


def _spaced(rows: list[Row]) -> list[Row]:
    """Rows of one account and day, apart from one another so that times tell their order."""
    return [
        replace(row, at=row.at + place * _ROW_SPACING)
        for _, same in groupby(rows, key=lambda row: (row.external_id, row.at))
        for place, row in enumerate(same)
    ]
