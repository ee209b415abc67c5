"""/reports/runs: a file is asked for, made by the worker in pieces, watched, cancelled, taken, mailed."""

import dataclasses
import datetime as dt
import io
import threading
import tracemalloc
import zipfile
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from dashboard import clock, db
from dashboard.config import settings
from dashboard.jobs import reports as job
from dashboard.models import Login, ReportPart, ReportRun, SavedReport, StaffLog
from dashboard.models.login import Role
from dashboard.models.report import ReportFormat
from dashboard.queries import report_subjects
from dashboard.services import (
    exports,
    report_definitions,
    report_files,
    report_runs,
    reports,
)
from dashboard.services.report_definitions import Choice, Definition, PeriodKind
from tests import builders
from tests.web.desk import AT, Browser, Desk

CHANGES = Definition("balance-changes", period=Choice(PeriodKind.MONTHLY))


@pytest.fixture
def manager(desk: Desk) -> Browser:
    for number in range(3):
        desk.player(100_00, external_id=f"K-{number}", name=f"=Mira {number}")
    return desk.sign_in(Role.MANAGER, name="Ana Reyes")


def ask(browser: Browser, definition: Definition = CHANGES, file_format: str = "csv", **more: str) -> Any:
    data = {"definition": report_definitions.write(definition), "name": "Changes", "format": file_format}
    return browser.post("/reports/runs", {**data, **more})


def asked(browser: Browser, **given: Any) -> str:
    answer = ask(browser, **given)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def ask_oddly(desk: Desk, definition: str) -> int:
    """A file of something that no form lets through."""

    def insert(session: Any) -> int:
        login = session.scalars(select(Login).where(Login.operator_id == desk.operator_id)).first()
        made = ReportRun(
            operator_id=desk.operator_id,
            name="Changes",
            subject="balance-changes",
            definition=definition,
            format="csv",
            asked_by=login.id,
            asked_at=AT,
        )
        session.add(made)
        session.flush()
        return int(made.id)

    return desk.write(insert)


def make(desk: Desk, **given: Any) -> bool:
    with desk.app.app_context(), clock.frozen(AT):
        return job.make_next(**given)


def run_of(desk: Desk, url: str) -> ReportRun:
    wanted = select(ReportRun).where(ReportRun.id == int(url.rpartition("/")[2]))
    return desk.read(lambda session: session.scalars(wanted).one())


def parts(desk: Desk) -> int:
    return desk.read(lambda session: session.scalar(select(func.count()).select_from(ReportPart))) or 0


def test_a_file_is_asked_for_made_and_taken(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    page = manager.page(url)
    assert "Waits for the worker" in page.by_id("run").text
    assert manager.post(f"{url}/downloads", {}).status_code == 409
    assert make(desk)
    assert not make(desk)
    assert "Made" in manager.page(url).by_id("run").text
    answer = manager.post(f"{url}/downloads", {})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + 3
    assert "'=Mira" in answer.data.decode()
    run = run_of(desk, url)
    assert (run.state, run.rows_done, run.rows_in_all, run.size) == ("done", 3, 3, len(answer.data))
    assert int(answer.headers["Content-Length"]) == run.size
    actions = desk.read(lambda session: list(session.scalars(select(StaffLog.action))))
    assert {"report.asked", "data.exported"} <= set(actions)


def test_a_workbook_and_a_document_are_whole(desk: Desk, manager: Browser) -> None:
    for file_format, begins in (("xlsx", b"PK"), ("pdf", b"%PDF")):
        url = asked(manager, file_format=file_format)
        assert make(desk)
        run = run_of(desk, url)
        assert run.state == "done", run.problem
        content = manager.post(f"{url}/downloads", {}).data
        assert content.startswith(begins)
        if file_format == "xlsx":
            assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_a_report_without_rows_is_a_file_too(desk: Desk, manager: Browser) -> None:
    nothing = Definition(
        "balance-changes", period=Choice(PeriodKind.CUSTOM, dt.date(2001, 1, 1), dt.date(2001, 1, 2))
    )
    for file_format in ReportFormat:
        url = asked(manager, definition=nothing, file_format=file_format)
        assert make(desk)
        assert run_of(desk, url).state == "done"
        assert manager.post(f"{url}/downloads", {}).data


def test_it_is_made_in_pieces_that_make_the_same_file(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, again = asked(manager), asked(manager)
    make(desk)
    whole = manager.post(f"{url}/downloads", {}).data
    before = parts(desk)
    monkeypatch.setattr(report_runs, "PIECE", 100)
    make(desk)
    assert parts(desk) - before == -(-len(whole) // 100)
    assert manager.post(f"{again}/downloads", {}).data == whole


def test_what_is_cancelled_is_not_made(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    assert manager.post(f"{url}/cancellation", {}).status_code == 303
    assert not make(desk)
    assert run_of(desk, url).state == "cancelled"
    assert manager.post(f"{url}/cancellation", {}).status_code == 409
    assert "Cancelled" in manager.page(url).by_id("run").text


def test_cancelling_half_way_leaves_nothing(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(manager)
    monkeypatch.setattr(report_runs, "PIECE", 100)
    append, seen = report_runs.append, []

    def cancel_after_the_first(session: Any, **given: Any) -> None:
        if given["number"] == 2:
            seen.append(manager.post(f"{url}/cancellation", {}).status_code)
        append(session, **given)

    monkeypatch.setattr(report_runs, "append", cancel_after_the_first)
    assert make(desk)
    assert seen == [303]
    assert run_of(desk, url).state == "cancelled"
    assert parts(desk) == 0


def test_a_worker_that_ended_half_way_is_followed_by_another(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(manager)
    monkeypatch.setattr(job, "_LOOK_EVERY_ROWS", 1)
    for _ in range(report_runs.TRIES_MOST + 1):
        assert make(desk, should_stop=lambda: True)
        assert (run_of(desk, url).state, run_of(desk, url).tries) == ("queued", 0)
    assert "Waits for the worker" in manager.page(url).by_id("run").text
    assert make(desk)
    assert (run_of(desk, url).state, run_of(desk, url).tries) == ("done", 1)
    assert len(manager.post(f"{url}/downloads", {}).data.splitlines()) == 4


def begin(desk: Desk, url: str, times: int = 1) -> None:
    """Workers begin to make it, and are lost."""
    for _ in range(times):
        desk.write(partial(report_runs.take, run_id=int(url.rpartition("/")[2]), now=AT))


def test_a_worker_that_was_lost_is_followed_by_another(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    begin(desk, url)
    run_id = int(url.rpartition("/")[2])
    kept = partial(report_runs.append, run_id=run_id, tries=1, number=1, content=b"half", rows=1)
    desk.write(kept)
    assert "Being made" in manager.page(url).by_id("run").text
    assert make(desk)
    assert (run_of(desk, url).state, run_of(desk, url).tries) == ("done", 2)
    assert b"half" not in manager.post(f"{url}/downloads", {}).data
    for late in (kept, partial(report_runs.finish, run_id=run_id, tries=1, rows=7, now=AT)):
        with pytest.raises(report_runs.Interrupted):
            desk.write(late)
    assert run_of(desk, url).rows_done == 3


def test_what_a_lost_worker_had_not_put_together_yet_is_swept_away(desk: Desk, manager: Browser) -> None:
    url = asked(manager, file_format="xlsx")
    begin(desk, url)
    with desk.app.app_context():
        scratch = settings().home / "scratch" / str(db.alchemy.engine.url.database)
    left, others = scratch / "report-1-abc" / "sheet", scratch / "report-12-abc" / "sheet"
    for each in (left, others):
        each.parent.mkdir(parents=True)
        each.touch()
    assert make(desk)
    assert [each.exists() for each in (left, others)] == [False, True]
    assert run_of(desk, url).state == "done"
    assert [each.name for each in scratch.iterdir()] == ["report-12-abc"]


def test_a_report_that_ends_its_worker_is_given_up(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    begin(desk, url, times=report_runs.TRIES_MOST)
    assert make(desk)
    assert run_of(desk, url).state == "failed"
    assert "The worker was lost 3 times" in manager.page(url).by_id("run").text
    assert not make(desk)


def test_whoever_comes_too_late_takes_nothing_away(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    make(desk)
    before = parts(desk)
    begin(desk, url)
    assert parts(desk) == before == 1
    assert run_of(desk, url).state == "done"


def test_cancelling_ends_the_statement_that_it_waits_for(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "WATCH_EVERY_SECONDS", 0.02)
    url = asked(manager)
    # Its first row waits for a lock that somebody holds for as long as the test lasts.
    source = report_subjects.SOURCES["balance-changes"]
    waits = f"SELECT rows.* FROM ({source.sql}) rows, pg_advisory_xact_lock(1)"
    slow = dataclasses.replace(source, sql=waits)
    monkeypatch.setitem(report_subjects.SOURCES, "balance-changes", slow)
    with desk.app.app_context(), db.alchemy.engine.connect() as busy:
        busy.execute(text("SELECT pg_advisory_lock(1)"))
        making = threading.Thread(target=make, args=(desk,))
        making.start()
        while run_of(desk, url).state != "running":
            assert making.is_alive()
        assert manager.post(f"{url}/cancellation", {}).status_code == 303
        making.join(20)
        assert not making.is_alive()
    assert run_of(desk, url).state == "cancelled"
    assert parts(desk) == 0


def test_a_fault_of_the_database_is_told_and_not_tried_for_ever(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(manager)
    url = asked(manager)
    with monkeypatch.context() as broken:
        source = report_subjects.SOURCES["balance-changes"]
        wrong = dataclasses.replace(source, sql=source.sql.replace("wallet_entries", "no_such_table"))
        broken.setitem(report_subjects.SOURCES, "balance-changes", wrong)
        assert make(desk)
    assert make(desk)
    states = desk.read(lambda session: list(session.scalars(select(ReportRun.state).order_by(ReportRun.id))))
    assert states == ["failed", "done"]
    assert "in the worker's log" in manager.page(url.replace(url[-1], str(int(url[-1]) - 1))).text


@pytest.mark.parametrize(
    ("file_format", "where", "name", "says"),
    [
        ("csv", report_runs, "SIZE_MOST", "holds up to 1 GB"),
        ("xlsx", exports, "XLSX_ROWS_MOST", "A spreadsheet holds 2 rows"),
        ("pdf", report_files, "PDF_ROWS_MOST", "A PDF holds 2 rows"),
    ],
)
def test_what_is_too_much_for_a_file_is_said(
    desk: Desk,
    manager: Browser,
    monkeypatch: pytest.MonkeyPatch,
    *,
    file_format: str,
    where: Any,
    name: str,
    says: str,
) -> None:
    monkeypatch.setattr(where, name, 2)
    url = asked(manager, file_format=file_format)
    assert make(desk)
    run = run_of(desk, url)
    assert (run.state, parts(desk)) == ("failed", 0)
    assert says in manager.page(url).by_id("run").text


def test_what_another_worker_is_making_is_left_to_it(desk: Desk, manager: Browser) -> None:
    asked(manager)
    with desk.app.app_context():
        other = db.open_export()
        try:
            assert report_runs.find_next(other) is not None
            assert not make(desk)
        finally:
            other.close()
    assert make(desk)


def test_who_has_left_takes_nothing_out(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    desk.write(lambda session: session.execute(update(Login).values(active=False)))
    make(desk)
    desk.write(lambda session: session.execute(update(Login).values(active=True)))
    run = run_of(desk, url)
    assert run.state == "failed"
    assert run.problem is not None
    assert run.problem in manager.page(url).by_id("run").text


def test_what_cannot_be_made_says_why(desk: Desk, manager: Browser) -> None:
    odd = '{"subject": "balance-changes", "columns": 7}'
    url = f"/reports/runs/{ask_oddly(desk, odd)}"
    make(desk)
    assert run_of(desk, url).problem == "This report cannot be read."
    assert "This report cannot be read." in manager.page(url).by_id("run").text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"definition": "{"}, 422),
        ({"definition": "[]"}, 422),
        ({"format": "exe"}, 400),
        ({"report_id": "987654321"}, 404),
    ],
)
def test_odd_input_is_refused(desk: Desk, manager: Browser, given: dict[str, str], status: int) -> None:
    answer = manager.post(
        "/reports/runs",
        {"definition": report_definitions.write(CHANGES), "name": "x", "format": "csv", **given},
    )
    assert answer.status_code == status
    assert desk.read(lambda session: session.scalar(select(func.count()).select_from(ReportRun))) == 0


def test_it_is_kept_for_a_while(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    make(desk)
    almost = AT + report_runs.KEPT - dt.timedelta(seconds=1)
    assert desk.write(lambda session: report_runs.forget_old(session, now=almost)) == 0
    assert parts(desk) == 1
    assert desk.write(lambda session: report_runs.forget_old(session, now=AT + report_runs.KEPT)) == 1
    assert parts(desk) == 0
    past = update(ReportRun).values(ended_at=AT - report_runs.KEPT)
    desk.write(lambda session: session.execute(past))
    assert manager.post(f"{url}/downloads", {}).status_code == 409
    assert "not kept any more" in manager.page(url).by_id("run").text


def test_nobody_elses_file_is_there(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    make(desk)
    stranger = Desk(desk.app, desk.write(builders.make_operator)).sign_in(Role.MANAGER)
    assert stranger.get(url).status_code == 404
    assert stranger.post(f"{url}/downloads", {}).status_code == 404
    assert stranger.post(f"{url}/cancellation", {}).status_code == 404
    assert "Changes" not in stranger.page("/reports/runs").text


def keep(desk: Desk, browser: Browser, *, is_shared: bool) -> int:
    """A report that this person keeps."""

    def create(session: Any) -> int:
        login = session.scalars(select(Login).where(Login.name == browser.name)).one()
        return reports.create(
            session,
            actor=builders.actor_of(login),
            name="Every change",
            definition=CHANGES,
            is_shared=is_shared,
            now=AT,
        )

    return desk.write(create)


def test_one_sees_ones_own_files_and_those_of_shared_reports(desk: Desk, manager: Browser) -> None:
    other = desk.sign_in(Role.ADMIN, name="Ben Holm")
    report_id = keep(desk, manager, is_shared=False)
    ready_made = asked(manager)
    url = asked(manager, name="Secret", report_id=str(report_id))

    def sees(browser: Browser, url: str) -> bool:
        is_listed = bool(browser.page("/reports/runs").all("tr", id=f"file-{url.rpartition('/')[2]}"))
        status = browser.get(url).status_code
        assert (status == 200) is is_listed
        assert (browser.get(f"{url}/progress", htmx=True).status_code == 200) is is_listed
        return is_listed

    make(desk)
    make(desk)
    assert [sees(manager, each) for each in (ready_made, url)] == [True, True]
    assert [sees(other, each) for each in (ready_made, url)] == [False, False]
    assert other.post(f"{url}/downloads", {}).status_code == 404
    desk.write(lambda session: session.execute(update(SavedReport).values(is_shared=True)))
    assert [sees(other, each) for each in (ready_made, url)] == [False, True]
    assert other.post(f"{url}/downloads", {}).status_code == 200
    desk.write(lambda session: session.execute(update(SavedReport).values(is_deleted=True)))
    assert [sees(other, each) for each in (ready_made, url)] == [False, False]
    assert [sees(manager, each) for each in (ready_made, url)] == [True, True]


def test_what_ones_role_may_not_read_is_not_there(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(manager)
    source = report_subjects.SOURCES["balance-changes"]
    closed = dataclasses.replace(source, subject=dataclasses.replace(source.subject, verb="settings:edit"))
    monkeypatch.setitem(report_subjects.SOURCES, "balance-changes", closed)
    assert "No file yet" in manager.page("/reports/runs").text
    assert manager.get(url).status_code == 404
    assert ask(manager).status_code == 403


def test_the_list_shows_all_files(desk: Desk, manager: Browser) -> None:
    assert "No file yet" in manager.page("/reports/runs").text
    url = asked(manager)
    make(desk)
    page = manager.page("/reports/runs")
    assert "Changes" in page.by_id(f"file-{url.rpartition('/')[2]}").text
    assert manager.get(f"{url}/progress", htmx=True).status_code == 200
    assert manager.get(f"{url}/progress").location.endswith(url)


def test_a_file_comes_in_pieces_whatever_its_size(desk: Desk, manager: Browser) -> None:
    url = asked(manager)
    make(desk)
    run_id = int(url.rpartition("/")[2])
    megabytes = 24
    piece = text("INSERT INTO report_parts SELECT :run, 1 + n, convert_to(repeat('x', 1048576), 'UTF8')"
                 " FROM generate_series(1, :count) AS n")  # fmt: skip
    sized = text("UPDATE report_runs SET size = (SELECT sum(octet_length(content)) FROM report_parts)")
    desk.write(lambda session: session.execute(piece, {"run": run_id, "count": megabytes}))
    desk.write(lambda session: session.execute(sized))
    answer = manager.client.post(f"{url}/downloads", data={"csrf_token": manager.token}, buffered=False)
    tracemalloc.start()
    got = sum(len(chunk) for chunk in answer.response)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert got == run_of(desk, url).size
    assert peak < 8 * 1024 * 1024
