"""/reports: putting one together, keeping it, and taking it along as CSV, XLSX and PDF."""

import csv
import datetime as dt
import io
import json
import re
import zipfile
from dataclasses import replace
from functools import partial

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.models import SavedReport, StaffLog
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.queries import report_subjects
from dashboard.services import report_files
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk

DAY = dt.timedelta(days=1)
CSV = {"format": "csv"}
XLSX = {"format": "xlsx"}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER, name="Bo Lindqvist")


@pytest.fixture
def mira(desk: Desk) -> int:
    """Somebody whose money has moved."""
    player = desk.player(name="Mira Holm", external_id="M-1")

    def work(session: Session) -> None:
        for back in (40, 3, 2, 1):
            at = AT - back * DAY
            builders.change(session, player, 100_00, ChangeType.DEPOSIT, now=at)
            builders.change(session, player, -30_50, ChangeType.WAGER, now=at + dt.timedelta(minutes=1))
            builders.change(session, player, 1_234, ChangeType.DEPOSIT, currency="KWD", now=at)

    desk.write(work)
    return player


def totals_of(page: Page) -> list[list[str]]:
    """What a preview says that its rows come to: the label, then the sums that stand there."""
    (body,) = page.all("tbody", class_="report-totals")
    rows = [row for row in page.all("tr") if row.is_within(body)]
    cells = [*page.all("th", scope="row"), *page.all("td")]
    return [[cell.text for cell in cells if cell.is_within(row) and cell.text] for row in rows]


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    """A CSV as its rows, by header."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def kept(desk: Desk) -> list[SavedReport]:
    """Every report that is kept, deleted ones too."""
    wanted = select(SavedReport).order_by(SavedReport.id)
    return desk.read(lambda session: list(session.scalars(wanted)))


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_every_ready_made_report_opens_and_says_no_activity_when_empty(manager: Browser, name: str) -> None:
    page = manager.page(f"/reports/{name}")
    assert "No activity" in page.by_id("report-preview").text
    assert rows_of(manager.post(f"/reports/{name}/exports", CSV)) == []
    pdf = manager.post(f"/reports/{name}/documents", {})
    assert pdf.data.startswith(b"%PDF-")


def test_the_list_names_them_all(manager: Browser) -> None:
    text = manager.page("/reports").text
    assert all(source.subject.label in text for source in report_subjects.SOURCES.values())


def test_a_preview_shows_rows_and_what_they_come_to(manager: Browser, mira: int) -> None:
    page = manager.page("/reports/balance-changes")
    text = page.by_id("report-preview").text
    assert "9 rows · 1 Feb 2026 to 2 Mar 2026" in text
    assert totals_of(page) == [
        ["Total KWD3 rows", "3.702", "0.000"],
        ["Total USD6 rows", "208.50", "0.00"],
    ]
    assert "No activity" not in text


def test_filters_grouping_columns_and_period_stand_in_the_url(manager: Browser, mira: int) -> None:
    query = (
        "period=custom&since=2026-02-28&until=2026-03-01&is_currency=USD&is_type=deposit&group=day&cols=real"
    )
    page = manager.page(f"/reports/balance-changes?{query}")
    heads = [
        cell.text for cell in page.all("th", scope="col") if cell.is_within(page.by_id("report-preview"))
    ]
    assert heads[-4:] == ["Day", "Currency", "Rows", "Real change"]
    assert "2 groups" in page.by_id("report-preview").text
    assert page.one("input", name="since")["value"] == "2026-02-28"
    boxes = [box["value"] for box in page.all("input", name="group", checked="")]
    assert boxes == ["day"]


@pytest.mark.parametrize("address", ["/reports/balance-changes", "/players/{mira}/balance-report"])
def test_days_that_nobody_typed_are_not_wrong(manager: Browser, mira: int, address: str) -> None:
    page = manager.page(f"{address.format(mira=mira)}?period=weekly&since=&until=")
    assert "Not a valid" not in page.text
    assert "what is wrong" not in page.text


def test_htmx_gets_the_preview_and_the_address_follows(manager: Browser, mira: int) -> None:
    answer = manager.get("/reports/balance-changes?group=none&group=type&is_currency=USD", htmx=True)
    assert answer.text.lstrip().startswith('<section class="card is-flush" id="report-preview"')
    assert answer.headers["HX-Push-Url"] == "/reports/balance-changes?is_currency=USD&group=type"


def test_a_ready_made_grouping_can_be_taken_off(manager: Browser) -> None:
    assert manager.page("/reports/adjustments").all("input", name="group", value="by", checked="")
    page = manager.page("/reports/adjustments?group=none")
    assert not page.all("input", name="group", value="by", checked="")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("least_real=10", "Choose a currency too: an amount is one of a currency."),
        ("is_currency=USD&least_real=1e5", "Enter an amount in figures"),
        ("is_player_id=x", "Enter a whole number."),
        ("period=custom&since=2026-03-02", "Enter both days."),
        ("period=custom&since=2026-03-02&until=2026-03-01", "The period ends before it begins."),
        ("group=day,week,month,type,by", "Group by at most 4 things."),
    ],
)
def test_what_is_wrong_says_so_and_stays_typed(manager: Browser, mira: int, query: str, message: str) -> None:
    page = manager.page(f"/reports/balance-changes?{query}")
    assert message in page.text
    if "least_real" in query:
        assert page.one("input", name="least_real")["value"] in query
    assert "rows" in page.by_id("report-preview").text


def test_a_csv_has_what_the_page_shows(manager: Browser, mira: int) -> None:
    query = "is_currency=USD&cols=day,type,currency,real&is_type=wager"
    rows = rows_of(manager.post(f"/reports/balance-changes/exports?{query}", CSV))
    assert rows == [
        {
            "Day": (AT - back * DAY).date().isoformat(),
            "Type": "wager",
            "Currency": "USD",
            "Real change": "-30.50",
        }
        for back in (3, 2, 1)
    ]


def test_an_xlsx_has_types(manager: Browser, mira: int) -> None:
    query = "cols=at,day,player_id,type,currency,real&is_type=deposit"
    answer = manager.post(f"/reports/balance-changes/exports?{query}", XLSX)
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    head, *rows = book.get_sheet_by_name("balance-changes").to_python()
    assert head == ["Time", "Day", "Player id", "Type", "Currency", "Real change"]
    time, day, player_id, kind, currency, real = next(row for row in rows if row[4] == "USD")
    assert time == dt.datetime(2026, 2, 27, 14)  # noqa: DTZ001 - a sheet knows no zones
    assert day in {dt.date(2026, 2, 27), dt.datetime(2026, 2, 27)}  # noqa: DTZ001
    assert (player_id, kind, currency, real) == (str(mira), "deposit", "USD", 100.0)
    assert next(row[5] for row in rows if row[4] == "KWD") == 1.234
    about = {str(label): str(said) for label, said in book.get_sheet_by_name("About").to_python()}
    assert about["Report"] == "Balance changes"
    assert about["Period"] == "1 Feb 2026 to 2 Mar 2026"
    assert "Type: Deposit" in about["Filters"]


def test_amounts_of_a_workbook_are_shown_as_their_currency_is(manager: Browser, mira: int) -> None:
    answer = manager.post("/reports/balance-changes/exports?cols=player_id,day,currency,real", XLSX)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        styles, sheet = (archive.read(f"xl/{name}.xml").decode() for name in ("styles", "worksheets/sheet1"))
    named = dict(re.findall(r'<numFmt numFmtId="(\d+)" formatCode="([^"]+)"', styles)) | {"4": "#,##0.00"}
    used = re.findall(r'<xf numFmtId="(\d+)"', styles.split("<cellXfs", 1)[1])
    formats: dict[str, set[str]] = {}
    for row in re.findall(r'<row r="\d+".*?</row>', sheet)[1:]:
        day, _player, currency, real = re.findall(r'<c r="[A-Z]+\d+"([^>]*)>(.*?)</c>', row)
        for name, (attributes, _value) in (("day", day), (re.sub(r"<[^>]+>", "", currency[1]), real)):
            (style,) = re.findall(r's="(\d+)"', attributes)
            formats.setdefault(name, set()).add(named[used[int(style)]])
    assert formats == {"USD": {"#,##0.00"}, "KWD": {"#,##0.000"}, "day": {"yyyy-mm-dd"}}
    assert re.search(r'<pane ySplit="1" topLeftCell="A2"[^>]* state="frozen"', sheet)


@pytest.mark.parametrize("typed", ["=HYPERLINK(0)", "=cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "\uff1d1"])
def test_what_people_typed_is_no_formula_in_a_file(desk: Desk, manager: Browser, typed: str) -> None:
    player = desk.player(name=typed, external_id="+1")
    desk.write(lambda session: builders.change(session, player, 1_00, ChangeType.DEPOSIT, now=AT))
    (row,) = rows_of(manager.post("/reports/balance-changes/exports?is_type=deposit", CSV))
    assert (row["Player"], row["External id"]) == (f"'{typed}", "'+1")
    book = manager.post("/reports/balance-changes/exports?is_type=deposit", XLSX)
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book.data)).get_sheet_by_name("balance-changes")
    head, found = sheet.to_python()
    assert dict(zip(head, found, strict=True))["Player"] == typed
    assert manager.post("/reports/balance-changes/documents", {}).data.startswith(b"%PDF-")


def test_more_rows_than_a_document_holds_are_refused_in_words(
    manager: Browser, mira: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.views.report_files.PDF_ROWS_MOST", 2)
    answer = manager.post("/reports/balance-changes/documents", {})
    assert answer.status_code == 422
    assert f"A PDF holds {report_files.PDF_ROWS_MOST:,} rows" in answer.text


def test_who_took_a_report_stands_in_the_staff_log(desk: Desk, manager: Browser, mira: int) -> None:
    assert manager.post("/reports/balance-changes/exports?is_type=wager", CSV).data
    assert manager.post("/reports/balance-changes/documents?is_type=wager", {}).data
    wanted = select(StaffLog.details).where(StaffLog.action == "data.exported").order_by(StaffLog.id)
    logged = [json.loads(each) for each in desk.read(lambda session: list(session.scalars(wanted)))]
    assert logged == [
        {"list": "balance-changes", "format": name, "rows": 3, "complete": True, "filter is_type": "wager"}
        for name in ("csv", "pdf")
    ]


def test_another_operators_rows_are_on_no_page_and_in_no_file(desk: Desk, mira: int) -> None:
    elsewhere = replace(desk, operator_id=desk.write(builders.make_operator))
    stranger = elsewhere.sign_in(Role.MANAGER)
    for name in report_subjects.SOURCES:
        assert "No activity" in stranger.page(f"/reports/{name}?is_player_id={mira}").text
        assert rows_of(stranger.post(f"/reports/{name}/exports", CSV)) == []
    assert stranger.get(f"/players/{mira}/balance-report").status_code == 404
    assert stranger.get(f"/players/{mira}/balance-report.pdf").status_code == 404


def test_unknown_subjects_are_not_found(manager: Browser) -> None:
    assert manager.get("/reports/secrets").status_code == 404


# Keeping


def keep(browser: Browser, name: str = "Wagers", *, shared: bool = False) -> TestResponse:
    """Save a report about wagers."""
    data = {"name": name, **({"is_shared": "y"} if shared else {})}
    return browser.post("/reports/balance-changes/saved?is_type=wager&group=day&period=weekly", data)


def test_a_report_is_kept_and_opens_as_it_was(desk: Desk, manager: Browser, mira: int) -> None:
    answer = keep(manager)
    assert answer.status_code == 303
    (row,) = kept(desk)
    assert answer.location == f"/reports/saved/{row.id}"
    page = manager.page(answer.location)
    assert page.one("h1").text == "Wagers"
    assert "3 groups" in page.by_id("report-preview").text
    assert "Wagers" in manager.page("/reports").text


def test_only_what_is_shared_is_seen_by_others(desk: Desk, manager: Browser) -> None:
    auditor = desk.sign_in(Role.AUDITOR)
    keep(manager, "Mine")
    keep(manager, "Ours", shared=True)
    text = auditor.page("/reports").text
    assert "Ours" in text
    assert "Mine" not in text
    mine, ours = kept(desk)
    assert auditor.get(f"/reports/saved/{mine.id}").status_code == 404
    assert auditor.page(f"/reports/saved/{ours.id}").one("h1").text == "Ours"
    assert auditor.post(f"/reports/saved/{ours.id}/removal", {}).status_code == 403


def test_a_kept_report_changes_with_what_is_shown(desk: Desk, manager: Browser) -> None:
    keep(manager)
    (row,) = kept(desk)
    address = f"/reports/balance-changes/saved/{row.id}"
    assert manager.page(f"{address}/edit?is_type=fee").one("input", name="name")["value"] == "Wagers"
    answer = manager.post(f"{address}?is_type=fee", {"name": "Fees"})
    assert answer.location == f"/reports/saved/{row.id}"
    (changed,) = kept(desk)
    assert (changed.name, json.loads(changed.definition)["filters"]) == ("Fees", [["type", "is", "fee"]])
    other = desk.sign_in(Role.MANAGER, name="Cy Ode")
    assert other.post(f"{address}?is_type=fee", {"name": "Theirs"}).status_code == 404


def test_a_deleted_report_is_gone(desk: Desk, manager: Browser) -> None:
    keep(manager)
    (row,) = kept(desk)
    assert manager.post(f"/reports/saved/{row.id}/removal", {}).location == "/reports"
    assert manager.get(f"/reports/saved/{row.id}").status_code == 404


@pytest.mark.parametrize(("name", "message"), [("", "Enter a name."), ("x" * 81, "at most 80 characters")])
def test_a_name_is_asked_for(desk: Desk, manager: Browser, name: str, message: str) -> None:
    answer = keep(manager, name)
    assert answer.status_code == 422
    assert message in answer.text
    assert kept(desk) == []


def test_a_name_in_use_is_refused_at_its_field(desk: Desk, manager: Browser) -> None:
    keep(manager)
    answer = keep(manager)
    assert answer.status_code == 422
    assert "You have a report called" in answer.text
    assert len(kept(desk)) == 1


def test_few_statements_for_a_page(desk: Desk, manager: Browser, mira: int) -> None:
    keep(manager)
    (row,) = kept(desk)
    queries = ("?period=yearly&group=none&group=day", "?is_type=deposit", f"?saved={row.id}")
    for address in (
        "/reports",
        f"/reports/saved/{row.id}",
        f"/reports/balance-changes/saved/{row.id}/edit",
        *(f"/reports/balance-changes{query}" for query in queries),
        *(f"/reports/{name}" for name in report_subjects.SOURCES),
    ):
        manager.page(address)
        counted = desk.count_queries(partial(manager.get, address))
        assert counted <= 12, (address, desk.queries)


# One player


def test_a_players_report_holds_balances_days_and_changes(manager: Browser, mira: int) -> None:
    page = manager.page(f"/players/{mira}/balance-report?period=weekly")
    text = page.by_id("player-report").text
    assert "24 Feb 2026 to 2 Mar 2026" in text or "23 Feb 2026 to 2 Mar 2026" in text
    assert "278.00" in text, "four times 100.00 less 30.50"
    assert "KWD" in text
    assert "No activity" in text, "of bonuses"
    assert len(page.all("h2")) >= 6


def test_a_players_report_is_a_document_too(desk: Desk, manager: Browser, mira: int) -> None:
    answer = manager.get(f"/players/{mira}/balance-report.pdf?period=weekly")
    assert answer.data.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="balance-report-{mira}.pdf"'
    wanted = select(StaffLog.player_id).where(StaffLog.action == "data.exported")
    assert desk.read(lambda session: session.scalars(wanted).one()) == mira


def test_a_period_that_is_none_is_said_at_its_field(manager: Browser, mira: int) -> None:
    page = manager.page(f"/players/{mira}/balance-report?period=custom&since=2026-03-02")
    assert "Enter both days." in page.text


def test_a_players_report_asks_few_statements(desk: Desk, manager: Browser, mira: int) -> None:
    manager.get(f"/players/{mira}/balance-report")
    assert desk.count_queries(lambda: manager.get(f"/players/{mira}/balance-report")) <= 12, desk.queries
