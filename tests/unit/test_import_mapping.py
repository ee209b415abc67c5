"""How a journal from elsewhere is read: what a mapping may say, and what a line must hold."""

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import pytest

from dashboard.config import ROOT
from dashboard.services.imports import mapping, reading, report, rows

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

HEADER = "account,day,amount,kind,balance"


def made(**changes: Any) -> mapping.Mapping:
    """A small mapping that works; keyword arguments replace whole tables."""
    found: dict[str, Any] = {
        "currency": "USD",
        "columns": {
            "account": "account",
            "time": "day",
            "amount": "amount",
            "type": "kind",
            "balance": "balance",
        },
        "time": {"format": "%Y-%m-%d"},
        "types": {
            "in": {"change_type": "deposit", "sign": "+"},
            "out": {"change_type": "withdrawal", "sign": "-"},
            "fix": {"change_type": "adjustment", "sign": "amount"},
        },
        "order": [
            {"rows": "credits", "by": "balance", "direction": "rising"},
            {"rows": "debits", "by": "balance", "direction": "falling"},
        ],
        "player": {"external_id": "A{account}", "name": "Account {account}"},
        "reconcile": {"tolerance": "0.10"},
    }
    return mapping.parse({**found, **changes}, name="m.toml")


def journal(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def understood(
    tmp_path: Path, *lines: str, with_mapping: mapping.Mapping | None = None, zone: str = "UTC"
) -> tuple[list[rows.Row], list[rows.Refused]]:
    used = with_mapping or made()
    source = reading.read(journal(tmp_path / "j.csv", *lines), used)
    return rows.understand(source.lines, used, timezone=zone, now=NOW)


def test_the_example_is_a_mapping() -> None:
    found = mapping.read(ROOT / "docs" / "examples" / "bank_journal.toml")
    assert found.currency == "CZK"
    assert found.tolerance_minor == 10
    assert found.time.is_date_only
    assert "operation" in found.columns_named()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("currency = x", "line 1"),
        ('currency = "CZK"\n[columns]]', "line 2"),
        ('currency = "CZK"', "columns: Field required"),
        ("colour = 1", "colour: Extra inputs are not permitted"),
    ],
)
def test_bad_toml_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(mapping.MappingError, match=r"bad\.toml") as refused:
        mapping.read(file)
    assert told in refused.value.message


def test_a_mapping_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(mapping.MappingError, match="cannot be read"):
        mapping.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"currency": "czk"}, "currency"),
        ({"currency": "QQQ"}, "QQQ is no currency code"),
        ({"types": {}}, "at least one value"),
        ({"types": {"in": {"change_type": "deposit", "sign": "-"}}}, "types.in: a deposit needs the sign +"),
        ({"types": {"in": {"change_type": "bonus_grant", "sign": "+"}}}, "cannot be imported"),
        ({"types": {"in": {"change_type": "gift", "sign": "+"}}}, "types.in.change_type"),
        ({"time": {"format": "%H:%M"}}, "format must hold year, month and day"),
        ({"time": {"format": "%Y-%m-%d", "zone": "Europe/Nowhere"}}, "Europe/Nowhere is no time zone"),
        ({"amount": {"decimal": ",", "grouping": ","}}, "decimal and grouping must differ"),
        ({"player": {"external_id": "{account", "name": "x"}}, "columns in braces"),
        ({"reconcile": {"tolerance": "0.001"}}, "reconcile.tolerance: USD amounts have at most 2 decimals"),
        ({"reconcile": {"tolerance": "-1"}}, "must not be negative"),
        ({"encoding": "klingon"}, "klingon is no text encoding"),
        (
            {"columns": {"account": "account", "time": "day", "amount": "amount", "type": "kind"}},
            "order by balance needs columns.balance",
        ),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(mapping.MappingError) as refused:
        made(**changes)
    assert told in refused.value.message


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    file = journal(tmp_path / "j.csv", header="account,day,amount,kind")
    with pytest.raises(reading.Unreadable, match=r"line 1: no column “balance”.*account, day, amount, kind"):
        reading.read(file, made())


def test_a_column_that_a_template_names_must_be_there(tmp_path: Path) -> None:
    file = journal(tmp_path / "j.csv")
    with pytest.raises(reading.Unreadable, match="“memo”"):
        reading.read(file, made(reason={"parts": ["{memo}"]}))


def test_packed_and_plain_are_the_same_file(tmp_path: Path) -> None:
    plain = journal(tmp_path / "j.csv", "1,2026-01-01,5,in,5")
    packed = tmp_path / "j.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert reading.read(packed, made()).digest == reading.read(plain, made()).digest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x1f\x8bnot really", "damaged"),
        (b"account,day,amount,kind,balance\n1,2026-01-01,5,in,5\n\xff\n", "line 3: this is not utf-8"),
        (b'account,day,amount,kind,balance\n1,2026-01-01,5,in,"5\n', "unexpected end of data"),
        (b"account,account,day,amount,kind,balance\n", "the same name"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "j.csv"
    file.write_bytes(content)
    with pytest.raises(reading.Unreadable, match=told):
        reading.read(file, made())


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    file = journal(tmp_path / "j.csv", '"a\nb",2026-01-01,5,in,5', "", "2,2026-01-01,5,in,5")
    assert [line.number for line in reading.read(file, made()).lines] == [2, 5]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,2026-01-01,5,in", "not as many cells"),
        ("1,2026-01-01,5,loan,5", "no type “loan”"),
        ("1,01/02/2026,5,in,5", "“01/02/2026” is no time of the form %Y-%m-%d"),
        ("1,2026-03-02,5,in,5", "lies in the future"),
        ("1,2026-01-01,,in,5", "“” is no amount"),
        ("1,2026-01-01,1e5,in,5", "“1e5” is no amount"),
        ("1,2026-01-01,NaN,in,5", "“NaN” is no amount"),
        ("1,2026-01-01,1_000,in,5", "“1_000” is no amount"),
        ("1,2026-01-01,١٢,in,5", "is no amount"),
        ('1,2026-01-01,"1,000",in,5', "is no amount"),
        ("1,2026-01-01,1.005,in,5", "USD amounts have at most 2 decimals"),
        ("1,2026-01-01,99999999999999999,in,5", "at most"),
        ("1,2026-01-01,0.00,in,5", "the amount is zero"),
        ("1,2026-01-01,-5,in,5", "its type already says the sign"),
        ("1,2026-01-01,5,in,many", "“many” is no amount"),
        (f"{'9' * 200},2026-01-01,5,in,5", "external id must have 1 to 100"),
    ],
)
def test_a_line_that_cannot_be_understood_is_refused(tmp_path: Path, line: str, told: str) -> None:
    found, (refused,) = understood(tmp_path, line)
    assert not found
    assert refused.line == 2
    assert told in refused.reason


def test_amounts_of_another_decimal_form(tmp_path: Path) -> None:
    german = made(amount={"decimal": ",", "grouping": "."})
    found, refused = understood(
        tmp_path, '1,2026-01-01,"1.234,50",in,"1.234,50"', '1,2026-01-02,"12.34,5",in,1', with_mapping=german
    )
    assert [row.amount for row in found] == [123_450]
    assert [line.line for line in refused] == [3]


def test_a_signed_amount_keeps_its_sign(tmp_path: Path) -> None:
    found, _ = understood(tmp_path, "1,2026-01-01,-5,fix,-5", "1,2026-01-02,+7.5,fix,2.5")
    assert [row.amount for row in found] == [-500, 750]


def test_rows_of_a_day_take_the_order_in_which_they_chain(tmp_path: Path) -> None:
    found, _ = understood(
        tmp_path,
        "1,2026-01-02,10,out,60",
        "2,2026-01-01,3,in,3",
        "1,2026-01-02,20,out,40",
        "1,2026-01-02,50,in,70",
        "1,2026-01-01,20,in,20",
    )
    assert [(row.external_id, row.amount) for row in found] == [
        ("A1", 2000),
        ("A1", 5000),
        ("A1", -1000),
        ("A1", -2000),
        ("A2", 300),
    ]
    assert report.reconcile(found, made()) == []


def test_days_begin_where_the_operator_is_and_times_tell_the_order(tmp_path: Path) -> None:
    found, _ = understood(tmp_path, "1,2026-01-01,1,in,1", "1,2026-01-01,1,in,2", zone="Europe/Prague")
    midnight = dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)
    assert [row.at for row in found] == [midnight, midnight + dt.timedelta(milliseconds=1)]


def test_a_time_of_day_is_read_in_the_zone_that_the_mapping_names(tmp_path: Path) -> None:
    timed = made(time={"format": "%Y-%m-%d %H:%M", "zone": "America/New_York"})
    found, _ = understood(tmp_path, "1,2026-01-01 20:00,1,in,1", with_mapping=timed)
    assert found[0].at == dt.datetime(2026, 1, 2, 1, tzinfo=dt.UTC)


def test_reasons_are_in_the_words_of_the_mapping(tmp_path: Path) -> None:
    worded = made(
        reason={"parts": ["{kind}", "on {day}"], "otherwise": "Booked"},
        words={"kind": {"in": "Cash paid in", "out": ""}},
    )
    found, _ = understood(tmp_path, "1,2026-01-01,5,in,5", "1,2026-01-02,5,out,0", with_mapping=worded)
    assert [row.reason for row in found] == ["Cash paid in · on 2026-01-01", "on 2026-01-02"]
    assert [row.reference for row in found] == ["line 2", "line 3"]


@pytest.mark.parametrize(("balance", "off"), [("10.10", None), ("10.11", 11), ("9.90", None), ("9.89", -11)])
def test_a_recorded_balance_may_differ_by_the_tolerance(
    tmp_path: Path, balance: str, off: int | None
) -> None:
    found, _ = understood(tmp_path, f"1,2026-01-01,10,in,{balance}")
    assert [difference.difference_minor for difference in report.reconcile(found, made())] == (
        [off] if off else []
    )


def test_each_balance_is_compared_with_the_recorded_one_before(tmp_path: Path) -> None:
    found, _ = understood(
        tmp_path, "1,2026-01-01,10,in,10.08", "1,2026-01-02,10,in,20.16", "1,2026-01-03,10,in,40"
    )
    (difference,) = report.reconcile(found, made())
    assert difference == report.Difference(4, "A1", 3016, 4000, 984)
    assert report.closing_recorded(found) == 4000


def test_a_journal_may_begin_in_the_middle(tmp_path: Path) -> None:
    found, _ = understood(tmp_path, "1,2026-01-01,10,in,510", "1,2026-01-02,10,in,520")
    assert len(report.reconcile(found, made())) == 1
    assert report.reconcile(found, made(reconcile={"tolerance": "0", "first": "start"})) == []
