"""POST …/exports: exactly the rows that the filters let through, as a file, and who took it."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.db import alchemy
from dashboard.models import StaffLog
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.queries import paging
from dashboard.services import exports, players, wallets
from dashboard.views import exports as views
from tests import builders
from tests.web.desk import AT, Browser, Desk

OPEN = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'purser-export' AND datname = current_database()"
)
END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'purser-export' AND datname = current_database()"
)
CSV = {"format": "csv"}
XLSX = {"format": "xlsx"}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER, name="Bo Lindqvist")


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    """A CSV as its rows, by header."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def logged(desk: Desk) -> list[dict[str, object]]:
    """The details of what was exported, in order."""
    wanted = select(StaffLog.details).where(StaffLog.action == "data.exported").order_by(StaffLog.id)
    return [json.loads(details) for details in desk.read(lambda session: session.scalars(wanted).all())]


def connections(desk: Desk) -> int:
    """How many connections exports have open on this test's database."""
    return desk.read(lambda session: session.scalars(OPEN).one())


def test_players_are_those_of_the_list_in_its_order(desk: Desk, manager: Browser) -> None:
    ana = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Ana Reyes").id)
    desk.player(2_000_05, name="Zoe Lund", external_id="C-1", agent_id=ana)
    frozen = desk.player(name="=Cold()", external_id="C-2")
    desk.player(10, name="Ann Berg", external_id="C-3")
    actor = desk.write(lambda s: builders.make_actor(s, operator_id=desk.operator_id))
    desk.write(lambda s: wallets.freeze(s, player_id=frozen, reason="x", actor=actor, now=AT))

    rows = rows_of(manager.post("/players/exports?sort=name", CSV))

    assert [row["Player"] for row in rows] == ["'=Cold()", "Ann Berg", "Zoe Lund"]
    assert rows[2] == {
        "Player id": rows[2]["Player id"],
        "Player": "Zoe Lund",
        "External id": "C-1",
        "E-mail": "",
        "Status": "active",
        "VIP level": "default",
        "Agent": "Ana Reyes",
        "Currency": "USD",
        "Real": "2000.05",
        "Bonus": "0.00",
        "Last change": "2026-03-02T13:00:00+01:00",
        "Alerts": "0",
    }
    assert [row["Player"] for row in rows_of(manager.post("/players/exports?status=frozen", CSV))] == [
        "'=Cold()"
    ]
    assert [row["Player"] for row in rows_of(manager.post("/players/exports?q=ann", CSV))] == ["Ann Berg"]


def test_a_file_says_what_it_is_and_who_made_it(desk: Desk, manager: Browser) -> None:
    answer = manager.post("/players/exports", CSV)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="players-play-money-20260302-140000-bo-lindqvist.csv"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert rows_of(answer) == []


def test_a_journal_has_every_entry_that_fits_beyond_one_page(desk: Desk, manager: Browser) -> None:
    player = desk.player(5_000_00)

    def post(session: Session) -> None:
        for number in range(70):
            builders.change(session, player, 100 + number, now=AT + dt.timedelta(seconds=number))
        builders.change(session, player, -50_00, ChangeType.WITHDRAWAL, now=AT)

    desk.write(post)
    rows = rows_of(manager.post(f"/players/{player}/journal/exports", CSV))
    assert [int(row["Entry"]) for row in rows] == list(range(72, 0, -1))
    assert (rows[0]["Type"], rows[0]["Real change"], rows[0]["By"]) == ("withdrawal", "-50.00", "System")
    wanted = "change_type=adjustment&least=1.60&cols=type"
    narrowed = rows_of(manager.post(f"/players/{player}/journal/exports?{wanted}", CSV))
    assert [row["Real change"] for row in narrowed] == [f"1.{cents}" for cents in range(69, 59, -1)]


def test_a_journal_in_another_currency_has_its_decimals(desk: Desk, manager: Browser) -> None:
    player = desk.player()

    def post(session: Session) -> None:
        builders.change(session, player, 1_234_567, ChangeType.DEPOSIT, currency="KWD")
        builders.change(session, player, 500, ChangeType.DEPOSIT, currency="JPY")

    desk.write(post)
    for currency, change in (("KWD", "1234.567"), ("JPY", "500")):
        (row,) = rows_of(manager.post(f"/players/{player}/journal/exports?currency={currency}", CSV))
        assert (row["Currency"], row["Real change"]) == (currency, change)


def test_recent_changes_and_staff_log_follow_their_filters(desk: Desk, manager: Browser) -> None:
    player = desk.player(5_000_00, name="Mira Holm")
    desk.write(lambda session: builders.change(session, player, 1_00, ChangeType.DEPOSIT, now=AT))
    (row,) = rows_of(manager.post("/recent-changes/exports?change_type=deposit", CSV))
    assert (row["Player"], row["Real change"], row["Real after"]) == ("Mira Holm", "1.00", "5001.00")
    (line,) = rows_of(manager.post("/audit/log/exports?q=exported", CSV))
    assert (line["Who"], line["Action"]) == ("Bo Lindqvist", "data.exported")
    assert json.loads(line["Details"])["list"] == "recent-changes"


def test_who_took_what_stands_in_the_staff_log(desk: Desk, manager: Browser) -> None:
    player = desk.player(5_000_00)
    assert manager.post("/players/exports?status=active&q=mira", CSV).data
    assert manager.post(f"/players/{player}/journal/exports", XLSX).data
    assert logged(desk) == [
        {
            "list": "players",
            "format": "csv",
            "rows": 1,
            "complete": True,
            "filter status": "active",
            "filter q": "mira",
        },
        {"list": f"journal-{player}-USD", "format": "xlsx", "rows": 1, "complete": True},
    ]
    page = manager.page("/audit?q=exported")
    assert "Data exported" in page.text
    assert "Mira Holm" in page.text


def test_an_xlsx_has_the_same_rows_with_types(desk: Desk, manager: Browser) -> None:
    desk.player(1_250_00, name="=1+1", external_id="007")
    answer = manager.post("/players/exports?status=active", XLSX)
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    head, row = book.get_sheet_by_name("players").to_python()
    found = dict(zip(head, row, strict=True))
    assert (found["Player"], found["External id"], found["Real"]) == ("=1+1", "007", 1250.0)
    assert found["Last change"] == dt.datetime(2026, 3, 2, 13, tzinfo=dt.UTC).replace(tzinfo=None)
    about = dict(map(tuple, book.get_sheet_by_name("About").to_python()))
    assert about == {
        "Made by": "Bo Lindqvist",
        "Made at": "2026-03-02 14:00:00 +0100",
        "Times are in": "Europe/Malta",
        "Operator": "Harbour Games",
        "Money": "Play money",
        "Filters": "Status: Active",
    }


def test_more_rows_than_a_sheet_holds_are_refused_in_words(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "XLSX_ROWS_MOST", 2)
    for _number in range(3):
        desk.player()
    answer = manager.post("/players/exports", XLSX)
    assert answer.status_code == 422
    assert "A spreadsheet holds 2 rows" in answer.text
    assert len(rows_of(manager.post("/players/exports", CSV))) == 3
    assert [line["format"] for line in logged(desk)] == ["csv"]


@pytest.mark.parametrize("form", [{}, {"format": ""}, {"format": "pdf"}])
def test_another_format_is_refused(manager: Browser, form: dict[str, str]) -> None:
    assert manager.post("/players/exports", form).status_code == 400


def test_another_operators_players_are_in_no_file(desk: Desk, manager: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    stranger = elsewhere.player(5_00, name="Not Ours")
    assert rows_of(manager.post("/players/exports", CSV)) == []
    assert manager.post(f"/players/{stranger}/journal/exports", CSV).status_code == 404
    assert rows_of(manager.post("/recent-changes/exports", CSV)) == []


def test_agents_and_partners_may_not(desk: Desk) -> None:
    for role in (Role.AGENT, Role.PARTNER):
        assert desk.sign_in(role).post("/players/exports", CSV).status_code == 403


@pytest.fixture
def opened(desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestResponse]:
    """A long file of which the reader has taken the first piece."""
    monkeypatch.setattr(exports, "_CHUNK", 500)
    monkeypatch.setattr(paging, "_AT_A_TIME", 5)
    new = [players.NewPlayer(f"P{number}", f"Mira Holm {number}") for number in range(200)]
    desk.write(lambda s: players.register(s, operator_id=desk.operator_id, players=new, now=AT))
    answer = manager.client.post(
        "/players/exports", data={"csrf_token": manager.token, **CSV}, buffered=False
    )
    yield answer
    answer.close()


def test_a_reader_who_goes_away_leaves_nothing_open(desk: Desk, opened: TestResponse) -> None:
    pieces = opened.iter_encoded()
    assert next(iter(pieces)).startswith(b"\xef\xbb\xbf")
    assert connections(desk) == 1
    opened.close()
    assert connections(desk) == 0
    (line,) = logged(desk)
    assert (line["complete"], line["rows"]) == (False, line["rows"])
    assert 0 < int(str(line["rows"])) < 200


def test_a_reader_who_takes_nothing_at_all_leaves_nothing_open(desk: Desk, opened: TestResponse) -> None:
    assert connections(desk) == 1
    opened.close()
    assert connections(desk) == 0


def test_a_whole_file_lets_go_before_it_is_closed(desk: Desk, opened: TestResponse) -> None:
    assert len(b"".join(opened.iter_encoded()).splitlines()) == 201
    assert connections(desk) == 0
    (line,) = logged(desk)
    assert (line["complete"], line["rows"]) == (True, 200)


def test_the_pages_have_their_own_connections(desk: Desk, opened: TestResponse, manager: Browser) -> None:
    next(iter(opened.iter_encoded()))
    with desk.app.app_context():
        assert alchemy.engine.pool.checkedout() == 0
    assert manager.get("/players").status_code == 200


def test_so_many_at_a_time_and_those_who_stall_make_room(
    desk: Desk, opened: TestResponse, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "AT_ONCE", 1)
    refused = manager.post("/players/exports", CSV)
    assert refused.status_code == 409
    assert "try again when one of them is done" in refused.text
    monkeypatch.setattr(views, "STALLED_SECONDS", -1.0)
    assert len(rows_of(manager.post("/players/exports", CSV))) == 200
    assert [line["complete"] for line in logged(desk)] == [False, True]


def test_a_failure_on_the_way_breaks_the_file_off(desk: Desk, opened: TestResponse) -> None:
    pieces = iter(opened.iter_encoded())
    next(pieces)
    desk.read(lambda session: session.execute(END))
    with pytest.raises(OperationalError):
        list(pieces)
    (line,) = logged(desk)
    assert line["complete"] is False
