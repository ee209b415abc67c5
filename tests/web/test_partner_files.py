"""What staff take along about a partner: real figures beside the shown ones, and who took them."""

import csv
import io
import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.models import StaffLog
from dashboard.models.login import Role
from dashboard.verifier import verify_statement
from dashboard.views import partner_files
from tests import builders
from tests.services.house import House
from tests.services.partner_office import APRIL, MARCH, Office
from tests.web.desk import Browser, Desk


@pytest.fixture
def partner(desk: Desk) -> tuple[int, int]:
    """A partner with two months behind them, and the statement of March."""

    def make(session: Session) -> tuple[int, int]:
        game_id = builders.make_game(session, operator_id=desk.operator_id, name="=Table")
        office = Office(House(session, desk.operator_id, game_id, "USD", "Europe/Malta"))
        office.earn(MARCH, 2_000_00, -500_00)
        office.earn(APRIL, 100_00)
        office.approve_due()
        statement_id = office.close(MARCH)
        office.decide(statement_id)
        assert statement_id is not None
        return office.partner_id, statement_id

    return desk.write(make)


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER, name="Bo Lindqvist")


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    """A CSV as its rows, by header."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def export(browser: Browser, path: str) -> list[dict[str, str]]:
    """What the button of a page gives."""
    return rows_of(browser.post(path, {"format": "csv"}))


def test_earnings_have_real_figures_and_terms_beside(manager: Browser, partner: tuple[int, int]) -> None:
    rows = export(manager, f"/partners/{partner[0]}/earnings/exports")
    assert [row["Real profit"] for row in rows] == ["100.00", "-500.00", "2000.00"]
    last = rows[-1]
    assert (last["Share %"], last["Rate %"], last["Profit"], last["Earned"]) == (
        "50.00",
        "10.00",
        "1000.00",
        "100.00",
    )
    assert last["Game"] == "'=Table"
    assert set(verify_statement.EARNINGS) <= set(last)


def test_earnings_are_those_that_the_filters_let_through(manager: Browser, partner: tuple[int, int]) -> None:
    partner_id, statement_id = partner
    path = f"/partners/{partner_id}/earnings/exports"
    assert len(export(manager, f"{path}?statement={statement_id}")) == 2
    assert len(export(manager, f"{path}?since=2026-04-01")) == 1
    assert export(manager, f"{path}?state=rejected") == []


def test_statements_are_what_the_script_reads(manager: Browser, partner: tuple[int, int]) -> None:
    [row] = export(manager, f"/partners/{partner[0]}/statements/exports")
    assert (row["Month"], row["Closing"], row["Payable"]) == ("2026-03", "75.00", "75.00")
    assert set(verify_statement.STATEMENTS) <= set(row)
    assert manager.get("/partners/statements/verifier").data == partner_files.SCRIPT.read_bytes()


def test_it_is_written_down_who_took_what(desk: Desk, manager: Browser, partner: tuple[int, int]) -> None:
    export(manager, f"/partners/{partner[0]}/earnings/exports?state=approved")
    wanted = select(StaffLog.details).where(StaffLog.action == "data.exported")
    details = json.loads(desk.read(lambda session: session.scalars(wanted).one()))
    assert details["list"] == f"partner-{partner[0]}-earnings"
    assert (details["rows"], details["filter state"]) == (3, "approved")


def test_a_statement_as_a_document(manager: Browser, partner: tuple[int, int]) -> None:
    answer = manager.get(f"/partners/statements/{partner[1]}.pdf")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF")


def test_nothing_of_another_operators_partner_becomes_a_file(desk: Desk, partner: tuple[int, int]) -> None:
    other = desk.write(builders.make_operator)
    stranger = Desk(desk.app, other).sign_in(Role.ADMIN)
    assert stranger.get(f"/partners/statements/{partner[1]}.pdf").status_code == 404
    for noun in ("earnings", "statements"):
        path = f"/partners/{partner[0]}/{noun}/exports"
        assert stranger.post(path, {"format": "csv"}).status_code == 404
