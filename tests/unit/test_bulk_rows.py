"""Reading a list as people have it: whatever separates its cells, and with all that is wrong in a row."""

import pytest

from dashboard.errors import Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import bulk_rows, exports
from dashboard.services.bulk_rows import Defaults, ReadRow

DEFAULTS = Defaults("USD", reason="Spring prize")


def read(text: str, defaults: Defaults = DEFAULTS) -> list[ReadRow]:
    return bulk_rows.read(text, defaults)


def said(row: ReadRow) -> tuple[object, ...]:
    """What was read of a row that has no fault."""
    assert row.faults == ()
    return row.player, row.real_delta, row.currency, row.change_type, row.reason


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("P-1,25", ("P-1", 25_00, "USD", "adjustment", "Spring prize")),
        ("P-1,25.00,deposit", ("P-1", 25_00, "USD", "deposit", "Spring prize")),
        ("P-1,25.00,Fee,Card", ("P-1", -25_00, "USD", "fee", "Card")),
        ("P-1,-25.00,adjustment,Taken back", ("P-1", -25_00, "USD", "adjustment", "Taken back")),
        ("P-1,25,eur", ("P-1", 25_00, "EUR", "adjustment", "Spring prize")),
        ("P-1,25,JPY,deposit,Card", ("P-1", 25, "JPY", "deposit", "Card")),
        ("P-1,25,,deposit,Card", ("P-1", 25_00, "USD", "deposit", "Card")),
        ("P-1;1,250.00;deposit", ("P-1", 1_250_00, "USD", "deposit", "Spring prize")),
        ('P-1,"1,250.00",deposit,"Cash, by hand"', ("P-1", 1_250_00, "USD", "deposit", "Cash, by hand")),
        ("P-1\t25\tdeposit\tsorry; late, again", ("P-1", 25_00, "USD", "deposit", "sorry; late, again")),
        (" P-1 , 25 , deposit ,,", ("P-1", 25_00, "USD", "deposit", "Spring prize")),
        ("'+1234,'-20.00,adjustment", ("+1234", -20_00, "USD", "adjustment", "Spring prize")),
    ],
)
def test_a_row_without_headers(line: str, expected: tuple[object, ...]) -> None:
    (row,) = read(line)
    assert said(row) == expected


def test_columns_stand_in_any_order_where_they_are_named() -> None:
    text = "Reason;Note;AMOUNT;External ID;currency\nCard;x;25;P-1;\n;;30;P-2;EUR\n"
    first, second = read(text, Defaults("USD", ChangeType.DEPOSIT, "Prize"))
    assert said(first) == ("P-1", 25_00, "USD", "deposit", "Card")
    assert said(second) == ("P-2", 30_00, "EUR", "deposit", "Prize")
    assert (first.line, second.line) == (2, 3)


def test_lines_are_counted_as_they_stand_in_the_file() -> None:
    rows = read('player,amount,reason\r\n\r\nP-1,1,"two\r\nlines"\r\n\r\nP-2,2\r\n')
    assert [(row.line, row.reason) for row in rows] == [(3, "two lines"), (6, "Spring prize")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",25", "Name a player."),
        ("P-1,", "Enter an amount."),
        ("P-1,NaN", "in figures"),
        ("P-1,1e5", "in figures"),
        ("P-1;1.250,00;deposit", "in figures"),
        ("P-1,25.001", "at most 2 decimals"),
        ("P-1,25.5,JPY", "JPY amounts have no decimals."),
        ("P-1,-25,deposit", "Leave the sign out: a deposit always adds money."),
        ("P-1,−25,fee", "Leave the sign out: a fee always takes money."),
        ("P-1,25,withdrawal", "“withdrawal” is no type of a list"),
        ("P-1,25,Bank transfer", "“Bank transfer” is no type"),
        ("P-1,1,250.00,deposit", "“250.00” is no type"),
        ("P-1,25,USD,deposit,Cash, by hand", "too many cells"),
        ("P-1,25,XYZ,deposit,Card", "too many cells"),
        (f"P-1,25,deposit,{'x' * 201}", "at most 200 characters"),
    ],
)
def test_what_is_wrong_with_a_row_stands_with_it(line: str, fault: str) -> None:
    (row,) = read(line)
    assert fault in " ".join(row.faults)
    assert (row.real_delta, row.currency, row.change_type, row.reason) == (None,) * 4


def test_a_row_needs_a_reason_from_somewhere() -> None:
    (row,) = read("P-1,25", Defaults("USD"))
    assert row.faults == ("Enter a reason.",)


def test_all_that_is_wrong_is_told_at_once() -> None:
    (row,) = read(",x,gift", Defaults("USD"))
    assert len(row.faults) == 3


def test_what_was_typed_is_kept() -> None:
    (row,) = read("P-1, x ,deposit,Card")
    assert row.cells == ("P-1", "x", "", "deposit", "Card")


@pytest.mark.parametrize("text", ["", " \n ", "player,amount\n", ",,\n"])
def test_an_empty_list_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="no rows"):
        read(text)


def test_a_list_that_is_too_long_is_refused() -> None:
    assert len(read("P-1,1\n" * 10_000)) == 10_000
    with pytest.raises(Rejected, match="at most 10,000 rows: this one has 10,001"):
        read("P-1,1\n" * 10_001)


def test_a_quotation_mark_that_swallows_the_rest_is_refused() -> None:
    with pytest.raises(Rejected, match="Line 2: a quotation mark"):
        read('P-1,1\nP-2,1,deposit,"Card\nP-3,1\n')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_are_read_as_spreadsheet_programs_write_them(encoding: str) -> None:
    assert bulk_rows.decode("Müller;−5".replace("−", "-").encode(encoding)) == "Müller;-5"


@pytest.mark.parametrize("data", [b"PK\x03\x04\x00\x00", b"\xff\xfe\x00"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected, match="save the sheet as CSV"):
        bulk_rows.decode(data)


def test_the_same_rows_have_the_same_digest_whatever_separates_them() -> None:
    same = [
        bulk_rows.digest(read(text)) for text in ("P-1,1.00\nP-2,2\n", "player\tamount\nP-1\t1\nP-2\t2\n")
    ]
    other = bulk_rows.digest(read("P-1,1.01\nP-2,2\n"))
    assert same[0] == same[1] != other


def test_our_own_files_come_back_as_they_were() -> None:
    for typed in ("-20.00", "=x", "'quoted'", "+1"):
        (row,) = read(f"P-1\t5\tdeposit\t{exports.harmless(typed)}")
        assert row.cells[4] == typed
