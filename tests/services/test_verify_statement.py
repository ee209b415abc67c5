"""The stand-alone script for statements, run as anybody would: on the desk's files, without Purser."""

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard.config import ROOT
from dashboard.models.partner import LossPolicy
from dashboard.queries import partner_figures, statements
from dashboard.queries.partner_figures import EarningFilter
from dashboard.services import exports, partner_approvals, partners
from dashboard.services.exports import Column, Sheet
from dashboard.services.partner_terms import Terms
from dashboard.views import partner_sheets
from tests.services.house import void
from tests.services.partner_office import Office, on, open_office

SCRIPT = ROOT / "dashboard" / "verifier" / "verify_statement.py"
MONTHS = [dt.date(2026, month, 1) for month in range(3, 13)] + [dt.date(2027, 1, 1), dt.date(2027, 2, 1)]
# What rounds of each month bring the house, in cents: a twentieth is earned, so that some are halves.
PROFITS = (
    (2_000_10, -500_30, 70),
    (400_00, -30),
    (-1_500_00, 900_90),
    (3_000_00,),
    (),
    (600_10, 500_50),
    (-2_000_00, 250_00),
    (100_00,),
    (5_000_00, -1_000_70),
    (900_00,),
    (300_00, 20_10),
    (800_00,),
)


def write(path: Path, columns: Iterable[Column], rows: Iterable[Any]) -> Path:
    """A file as the desk writes it."""
    path.write_bytes(b"".join(exports.csv_pieces(Sheet(list(columns), rows, "Europe/Malta"))))
    return path


def export(office: Office, folder: Path) -> list[str]:
    """The partner's earnings and statements, as the buttons of the desk make them."""
    whose = {"partner_id": office.partner_id}
    session = office.session
    earnings = partner_figures.all_earnings(wanted=EarningFilter(), **whose).read(session)
    stated = statements.all_statements(**whose).read(session)
    return [
        str(write(folder / "earnings.csv", partner_sheets.earnings(office.partner_id), earnings)),
        str(write(folder / "statements.csv", partner_sheets.statements(), stated)),
    ]


def run(*files: str) -> "subprocess.CompletedProcess[str]":
    """-I: neither Purser nor anything else beside the standard library can be imported."""
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *files], capture_output=True, text=True, check=False
    )


def edit(path: str, change: Callable[[str], str]) -> None:
    """Write the file anew with another text."""
    text = Path(path).read_text(encoding="utf-8-sig")
    changed = change(text)
    assert changed != text
    Path(path).write_text(changed, encoding="utf-8")


def close_and_pay(office: Office, month: dt.date) -> None:
    """The month by Anna and Ben; all that can be asked for is paid."""
    after = on(month) + dt.timedelta(days=45)
    office.approve_due(after)
    statement_id = office.close(month, now=after)
    if statement_id is None:
        return
    office.decide(statement_id)
    approved, reserved, paid = office.money()
    if approved - reserved - paid >= 50_00:
        payout = office.request(approved - reserved - paid, key=f"payout-{month}")
        office.approve(payout)
        office.pay(payout)


@pytest.fixture
def year(session: Session) -> Office:
    """Twelve months: other terms from September on, an earning that was rejected, a round that was void."""
    office = open_office(session, terms=Terms(share_bp=5_000, rate_bp=1_000))
    rounds: dict[dt.date, list[int]] = {}
    for month, profits in zip(MONTHS, PROFITS, strict=True):
        if month.month == 8:
            _agree(office, month)
        rounds[month] = office.earn(month, *profits)
        if month.month == 6:
            # Paid with its statement of March: June's statement takes it back.
            office.house.settle_again(
                rounds[MONTHS[0]][0], void(office.player_id, 2_000_10), at=on(month, 20)
            )
        if month.month == 10:
            _reject_last(office, on(month, 12))
        close_and_pay(office, month)
    return office


def _agree(office: Office, month: dt.date) -> None:
    """A third of the figures, an eighth of the profit, losses carried on: from the next month, for all."""
    contract = partners.Contract(
        Terms(share_bp=3_333, rate_bp=1_250, loss_policy=LossPolicy.CARRY),
        (month + dt.timedelta(days=32)).replace(day=1),
        {"USD": 20_00},
    )
    whose: dict[str, Any] = {"partner_id": office.partner_id, "now": on(month, 1)}
    version = partners.agree(office.session, contract=contract, actor=office.anna, **whose)
    partners.accept(office.session, version=version, actor=office.partner, **whose)


def _reject_last(office: Office, now: dt.datetime) -> None:
    last = office.house.rows(office.partner_id)[-1]
    partner_approvals.reject(
        office.session,
        partner_id=office.partner_id,
        earning_ids=[last.id],
        reason="A test account",
        actor=office.anna,
        now=now,
    )


def test_a_year_is_equal_to_the_minor_unit(year: Office, tmp_path: Path) -> None:
    done = run(*export(year, tmp_path))
    assert (done.stdout.splitlines()[-1], done.stderr, done.returncode) == ("EQUAL", "", 0), done.stdout
    assert done.stdout.count(": equal") == len(year.statements()) >= 11


def test_after_a_void_of_a_paid_round_the_next_statement_carries_the_negative_row(year: Office) -> None:
    march, june = year.statements()[0], next(each for each in year.statements() if each.month.month == 6)
    rows = year.house.rows(year.partner_id)
    paid = next(row for row in rows if row.statement_id == march.id)
    taken_back = next(row for row in rows if row.settlement_version == 2)
    assert (paid.state, paid.earned) == ("paid", 100_00)
    assert (taken_back.earned, taken_back.statement_id) == (-100_00, june.id)
    assert year.lines(june.id)[0].corrected == -100_00
    assert june.earned == 150_00 - 100_00


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (1, ("93.72,20.00,93.72,", "93.73,20.00,93.73,"), "closing 93.73, should be 93.72"),
        (0, ("2000.10,0.00,2000.10", "2000.30,0.00,2000.30"), "Earning"),
        (0, ('"period"', '"carry"'), "written off 29.96, should be 0.00"),
        (0, ("-100.00", "-99.00"), "earned -99.00, should be -100.00"),
    ],
)
def test_a_changed_figure_is_seen(
    year: Office, tmp_path: Path, file: int, change: tuple[str, str], says: str
) -> None:
    files = export(year, tmp_path)
    edit(files[file], lambda text: text.replace(*change))
    done = run(*files)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("NOT EQUAL", 1)
    assert says in done.stdout


@pytest.mark.parametrize(("currency", "closing"), [("JPY", "closing 50, "), ("KWD", "closing 0.050, ")])
def test_each_currency_has_its_decimals(
    session: Session, tmp_path: Path, currency: str, closing: str
) -> None:
    office = open_office(session, currency=currency)
    office.earn(MONTHS[0], 1_010, -3)
    office.approve_due()
    office.close(MONTHS[0])
    done = run(*export(office, tmp_path))
    assert (done.stdout.splitlines()[-1], done.returncode) == ("EQUAL", 0), done.stdout
    assert closing in done.stdout


def test_a_row_that_is_missing_is_seen(year: Office, tmp_path: Path) -> None:
    files = export(year, tmp_path)
    edit(files[0], lambda text: "".join(text.splitlines(keepends=True)[:-1]))
    done = run(*files)
    assert done.returncode == 1
    assert ": rows 3, should be 2." in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\n1,2\n", "neither a file of earnings nor one of statements"), ("", "neither a file")],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    done = run(str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert run(str(tmp_path / "nowhere.csv")).returncode == 2
