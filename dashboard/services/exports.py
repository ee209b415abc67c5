"""Lists as files: CSV in pieces as the rows come, XLSX through a file of its own; and who took them out.

Text never becomes a formula. In a CSV, where a spreadsheet program guesses, a cell that could be read as one
gets an apostrophe in front; in an XLSX every cell says what it is. Amounts are decimals of their currency,
times are the operator's: with their offset in a CSV, as the wall shows them in an XLSX, which knows no zones.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected
from dashboard.services import staff_log
from dashboard.services.actors import Actor

XLSX_ROWS_MOST = 1_048_575
"""What a sheet holds below its header."""
_CHUNK = 64 * 1024
_CELL_MOST = 32_767
_WIDTHS = {"text": 22, "number": 12, "amount": 16, "time": 20, "day": 12}
# Excel, LibreOffice and Google's sheets begin a formula with these, some after blanks, some in full width.
_FORMULA = re.compile(r"[\t\r\n]|[\s\ufeff\u200b]*[=+\-@＝＋－＠]")


class Format(StrEnum):
    """What a list can be had as."""

    CSV = "csv"
    XLSX = "xlsx"


class Amount(NamedTuple):
    """Minor units of a currency, as a cell."""

    minor: int
    currency: str


Value = str | int | Amount | dt.datetime | dt.date | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its header, and what it takes from a row.

    `kind`: text, number, amount, time, day.
    """

    label: str
    kind: str
    value: Callable[[Any], Value]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list on its way into a file. `rows` are read once, as they are written."""

    columns: Sequence[Column]
    rows: Iterable[Any]
    timezone: str


class TooManyRows(Rejected):
    """More rows than a spreadsheet can hold."""

    def __init__(self) -> None:
        super().__init__(
            f"A spreadsheet holds {XLSX_ROWS_MOST:,} rows, and more fit your filters."
            " Take CSV, which has no limit, or narrow the list."
        )


def harmless(text: str) -> str:
    """The text as a CSV cell that no spreadsheet program takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def csv_pieces(sheet: Sheet) -> Iterator[bytes]:
    """The file in pieces of about 64 KB, never more than one in memory: UTF-8 with its mark, CRLF.

    All that is not a number is quoted, so that a semicolon within a text divides it nowhere.
    """
    zone = ZoneInfo(sheet.timezone)
    written = _written_in(zone)
    plans = [(written[column.kind], column.value) for column in sheet.columns]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC)
    buffer.write("\ufeff")  # without the mark Excel reads anything but UTF-8
    writer.writerow([column.label for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow([write(value(row)) for write, value in plans])
        if buffer.tell() >= _CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _written_in(zone: ZoneInfo) -> Mapping[str, Callable[[Any], object]]:
    """How a CSV writes each kind of cell."""

    def text(value: str | None) -> str:
        return harmless(value) if value else ""

    def number(value: int | None) -> object:
        return "" if value is None else value

    def amount(value: Amount | None) -> object:
        return "" if value is None else Decimal(money.plain(*value))

    def time(value: dt.datetime | None) -> str:
        return "" if value is None else value.astimezone(zone).isoformat()

    def day(value: dt.date | None) -> str:
        return "" if value is None else value.isoformat()

    return {"text": text, "number": number, "amount": amount, "time": time, "day": day}


def write_xlsx(
    path: Path, sheet: Sheet, *, name: str, about: Sequence[tuple[str, str]], made_at: dt.datetime
) -> None:
    """Write the list as the first sheet of a workbook, and `about` as the second.

    Rows go to a scratch file in the same folder, not into memory. Raises TooManyRows.
    """
    properties = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_numbers": False}
    harmful = {"strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, {**properties, **harmful}) as workbook:
        workbook.set_properties({"title": name, "author": dict(about).get("Made by", ""), "created": made_at})
        _fill(workbook, workbook.add_worksheet(name), sheet)
        notes = workbook.add_worksheet("About")
        notes.set_column(0, 0, 18)
        notes.set_column(1, 1, 60)
        for number, (label, text) in enumerate(about):
            notes.write_string(number, 0, label)
            notes.write_string(number, 1, text[:_CELL_MOST])


def _fill(workbook: Any, page: Any, sheet: Sheet) -> None:
    head = workbook.add_format({"bold": True, "bottom": 1})
    page.freeze_panes(1, 0)
    for place, column in enumerate(sheet.columns):
        page.set_column(place, place, _WIDTHS[column.kind])
        page.write_string(0, place, column.label, head)
    put = _put_into(workbook, page, ZoneInfo(sheet.timezone))
    plans = [(place, put[column.kind], column.value) for place, column in enumerate(sheet.columns)]
    last = 0
    for last, row in enumerate(sheet.rows, start=1):
        if last > XLSX_ROWS_MOST:
            raise TooManyRows
        for place, write, value in plans:
            found = value(row)
            if found is not None:
                write(last, place, found)
    page.autofilter(0, 0, last, len(sheet.columns) - 1)


def _put_into(workbook: Any, page: Any, zone: ZoneInfo) -> Mapping[str, Callable[[int, int, Any], object]]:
    """How an XLSX takes each kind of cell."""
    instant = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    date = workbook.add_format({"num_format": "yyyy-mm-dd"})
    figures = {
        decimals: workbook.add_format({"num_format": f"#,##0.{'0' * decimals}" if decimals else "#,##0"})
        for decimals in range(5)
    }

    def text(row: int, place: int, value: str) -> None:
        page.write_string(row, place, value[:_CELL_MOST])

    def number(row: int, place: int, value: int) -> None:
        page.write_number(row, place, value)

    def amount(row: int, place: int, value: Amount) -> None:
        figure = figures[money.exponent(value.currency)]
        page.write_number(row, place, Decimal(money.plain(*value)), figure)

    def time(row: int, place: int, value: dt.datetime) -> None:
        page.write_datetime(row, place, value.astimezone(zone).replace(tzinfo=None), instant)

    def day(row: int, place: int, value: dt.date) -> None:
        page.write_datetime(row, place, value, date)

    return {"text": text, "number": number, "amount": amount, "time": time, "day": day}


def record(
    session: Session,
    actor: Actor,
    *,
    what: str,
    file_format: StrEnum,
    filters: Mapping[str, str],
    rows: int,
    is_whole: bool,
    player_id: int | None,
    now: dt.datetime,
) -> None:
    """Write down that somebody took a list out of the house: which, by which filters, how many rows.

    `is_whole` is false where the reader went away before the end.
    """
    details: dict[str, str | int | bool | None] = {
        "list": what,
        "format": file_format.value,
        "rows": rows,
        "complete": is_whole,
        **{f"filter {name}": value for name, value in filters.items()},
    }
    staff_log.record(session, actor, "data.exported", player_id=player_id, details=details, now=now)
