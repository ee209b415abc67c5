"""What a partner takes along: the rows of the pages, shown figures, nobody else's."""

import csv
import io
from decimal import Decimal

from python_calamine import CalamineWorkbook
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from dashboard.models import PartnerStatement, StaffLog
from tests.web.partner_site import Site


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    """A CSV as its rows, by header."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def statement(site: Site, statement_id: int) -> PartnerStatement:
    """As it stands."""
    return site.desk.read(lambda session: session.get_one(PartnerStatement, statement_id))


def test_every_list_comes_as_both_kinds_of_file(site: Site) -> None:
    hidden = ("real", "share", "rate", "contract")
    for name in ("rounds", "days", "months", "games", "statements"):
        rows = rows_of(site.browser.get(f"/earnings/{name}.csv"))
        workbook = site.browser.get(f"/earnings/{name}.xlsx")
        sheets = CalamineWorkbook.from_filelike(io.BytesIO(workbook.data))
        head, *body = sheets.get_sheet_by_index(0).to_python()
        assert rows
        assert (list(rows[0]), len(rows)) == (head, len(body))
        assert not [label for label in rows[0] if any(word in label.lower() for word in hidden)]


def test_rounds_are_those_of_the_page_by_its_filters(site: Site) -> None:
    rows = rows_of(site.browser.get("/earnings/rounds.csv"))
    assert all(int(row["Players"]) >= 5 or row["Kind"] == "Correction" for row in rows)
    april = rows_of(site.browser.get("/earnings/rounds.csv?since=2026-04-01&until=2026-04-30&currency=USD"))
    assert april == [
        row for row in rows if "2026-04-01" <= row["Day"] <= "2026-04-30" and row["Currency"] == "USD"
    ]
    assert 0 < len(april) < len(rows)


def test_the_lines_of_a_statements_file_add_up_to_it(site: Site) -> None:
    stated = rows_of(site.browser.get("/earnings/statements.csv"))
    assert {row["Month"] for row in stated} == {"2026-03", "2026-04"}
    for row in stated:
        lines = rows_of(site.browser.get(f"/earnings/statements/{row['Statement']}.csv"))
        for label in ("Bets", "Payouts", "Profit", "Earned"):
            assert sum(Decimal(line[label]) for line in lines) == Decimal(row[label])
        assert sum(int(line["Rows"]) for line in lines) == int(row["Rows"])
        assert (lines[-1]["Kind"], lines[-1]["Round"]) == ("Rounds with few players", "")


def test_a_statement_as_a_workbook_says_its_sums(site: Site) -> None:
    found = statement(site, site.history.statement_id)
    answer = site.browser.get(f"/earnings/statements/{found.id}.xlsx")
    about = dict(
        CalamineWorkbook.from_filelike(io.BytesIO(answer.data)).get_sheet_by_name("About").to_python()
    )
    assert about["Payable"] == f"{found.payable // 100:,}.{found.payable % 100:02d} USD"
    assert about["Figures"] == "Figures are calculated on the agreed share basis."


def test_a_statement_as_a_document(site: Site) -> None:
    path = f"/earnings/statements/{site.history.statement_id}.pdf"
    answer = site.browser.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="statement-2026-04-usd.pdf"'
    assert answer.data.startswith(b"%PDF-1.7")
    assert site.browser.get(path).data == answer.data


def test_nobody_elses_statement_is_made_into_a_file(site: Site) -> None:
    for ending in ("csv", "xlsx", "pdf"):
        path = f"/earnings/statements/{site.history.other_statement_id}.{ending}"
        assert site.browser.get(path).status_code == 404
    assert site.browser.get(f"/earnings/statements/{site.history.statement_id}.exe").status_code == 404


def test_what_is_the_partners_own_is_in_no_log_of_the_desk(site: Site) -> None:
    def count() -> int:
        wanted = select(func.count()).select_from(StaffLog)
        return site.desk.read(lambda session: session.scalars(wanted).one())

    before = count()
    assert site.browser.get("/earnings/rounds.csv").data
    assert count() == before
