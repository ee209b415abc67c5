"""Reading a list of changes as people have it: pasted from a spreadsheet, or a CSV file. Pure.

A row that cannot be read is kept with what is wrong with it, so that the list comes back whole.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import exports

ROWS_MAX = 10_000
REASON_LENGTH_MAX = 200
COLUMNS = ("player", "amount", "currency", "type", "reason")
"""Of a list, in the order in which they are kept."""
TYPES = (ChangeType.DEPOSIT, ChangeType.ADJUSTMENT, ChangeType.FEE)

_CURRENCY_AT = COLUMNS.index("currency")
_CELL_LENGTH_MAX = 500
_SEPARATORS = "\t;,"
_HEADERS = {
    "player": "player",
    "player id": "player",
    "external id": "player",
    "account": "player",
    "e-mail": "player",
    "email": "player",
    "amount": "amount",
    "currency": "currency",
    "type": "type",
    "change type": "type",
    "reason": "reason",
}
_SIGNS = "+-\u2212"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row says that does not say it itself."""

    currency: str
    change_type: ChangeType = ChangeType.ADJUSTMENT
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row as it was typed and as it was read. One that has faults was not read: all the rest is None."""

    line: int
    """Where it begins in what was sent, counted from 1."""
    cells: tuple[str, ...]
    """In the order of COLUMNS, as typed."""
    currency: str | None
    change_type: ChangeType | None
    real_delta: int | None
    """In minor units, with the sign that its type gives it."""
    reason: str | None
    faults: tuple[str, ...]

    @property
    def player(self) -> str:
        """What was typed for the player."""
        return self.cells[0]


def decode(data: bytes) -> str:
    """The text of a file, as spreadsheet programs write it. Raises Rejected for what is no text."""
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if is_wide else ["utf-8-sig", "cp1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Rejected("This is no text: save the sheet as CSV first.", field="file")


def read(text: str, defaults: Defaults) -> list[ReadRow]:
    """The rows of a list, separated by tabs, semicolons or commas, with or without a line of headers.

    Without headers a row is player, amount, type and reason; a currency may stand after the amount. With
    them the columns may stand in any order, and unknown ones are passed over. Raises Rejected for a list
    that is empty, too long, or of which one cannot say where its cells end.
    """
    records = list(_records(text))
    columns = _header(records[0][1]) if records else None
    if columns is not None:
        del records[0]
    if not records:
        raise Rejected("There are no rows in it.", field="rows")
    if len(records) > ROWS_MAX:
        raise Rejected(f"A list has at most {ROWS_MAX:,} rows: this one has {len(records):,}.", field="rows")
    return [
        _row(line, _by_name(cells, columns) if columns else _by_place(cells), defaults)
        for line, cells in records
    ]


def digest(rows: Iterable[ReadRow]) -> bytes:
    """SHA-256 over what the rows say, whatever separates them."""
    said = [[row.player, row.real_delta, row.currency, row.change_type, row.reason] for row in rows]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each record that is not empty."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    # Of several that stand there the most frequent; max takes the first of equals.
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for record in reader:
            cells = [_plain(cell) for cell in record]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        raise Rejected(f"Line {line}: a quotation mark does not end where it should.", field="rows") from None


def _plain(cell: str) -> str:
    """A cell without blanks around it, in one line, and without what our own files put before formulas."""
    words = " ".join(cell.split())
    return words[1:] if words.startswith("'") and exports.harmless(words[1:]) == words else words


def _header(cells: Sequence[str]) -> dict[str, int] | None:
    """Which column stands where; None where this is no line of headers."""
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _HEADERS.get(cell.lower().replace("_", " "))
        if name is not None:
            found.setdefault(name, place)
    return found if {"player", "amount"} <= found.keys() else None


def _by_name(cells: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    return {name: cells[place] if place < len(cells) else "" for name, place in columns.items()}


def _by_place(cells: Sequence[str]) -> dict[str, str]:
    rest = list(cells)
    while rest and not rest[-1]:
        rest.pop()
    third = rest[_CURRENCY_AT] if len(rest) > _CURRENCY_AT else ""
    if not (money.is_currency(third.upper()) or (not third and len(rest) == len(COLUMNS))):
        rest.insert(_CURRENCY_AT, "")
    named = dict(zip(COLUMNS, rest, strict=False))
    if len(rest) > len(COLUMNS):
        named["beyond"] = rest[len(COLUMNS)]
    return named


def _row(line: int, named: Mapping[str, str], defaults: Defaults) -> ReadRow:
    cells = tuple(named.get(name, "") for name in COLUMNS)
    typed, amount, code, kind, reason = cells
    faults = []
    if "beyond" in named:
        faults.append("There are too many cells: put quotation marks around text that holds the separator.")
    if not typed:
        faults.append("Name a player.")
    if any(len(cell) > _CELL_LENGTH_MAX for cell in cells):
        faults.append(f"A cell holds at most {_CELL_LENGTH_MAX} characters.")
    currency = _currency(code, defaults, faults)
    change_type = _type(kind, defaults, faults)
    real_delta = _amount(amount, currency, change_type, faults)
    said = reason or defaults.reason
    if not said:
        faults.append("Enter a reason.")
    elif len(said) > REASON_LENGTH_MAX:
        faults.append(f"A reason has at most {REASON_LENGTH_MAX} characters.")
    kept = tuple(cell[:_CELL_LENGTH_MAX] for cell in cells)
    if faults:
        return ReadRow(line, kept, None, None, None, None, tuple(faults))
    return ReadRow(line, kept, currency, change_type, real_delta, said, ())


def _currency(typed: str, defaults: Defaults, faults: list[str]) -> str | None:
    code = typed.upper() or defaults.currency
    if money.is_currency(code):
        return code
    faults.append(f"{_quoted(typed)} is no currency.")
    return None


def _type(typed: str, defaults: Defaults, faults: list[str]) -> ChangeType | None:
    if not typed:
        return defaults.change_type
    if typed.lower() in TYPES:
        return ChangeType(typed.lower())
    faults.append(f"{_quoted(typed)} is no type of a list: write deposit, adjustment or fee.")
    return None


def _amount(
    typed: str, currency: str | None, change_type: ChangeType | None, faults: list[str]
) -> int | None:
    if currency is None or change_type is None:
        return None
    try:
        minor = money.parse(typed, currency)
    except money.InvalidAmount as error:
        faults.append(error.message)
        return None
    if change_type is ChangeType.ADJUSTMENT:
        return minor
    if typed.startswith(tuple(_SIGNS)):
        does = "adds" if change_type is ChangeType.DEPOSIT else "takes"
        faults.append(f"Leave the sign out: a {change_type} always {does} money.")
        return None
    return minor if change_type is ChangeType.DEPOSIT else -minor


def _quoted(typed: str) -> str:
    return f"“{typed[:40]}”"
