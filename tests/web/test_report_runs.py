"""/reports/runs: a file is asked for, made by the worker in pieces, watched, cancelled, taken, mailed."""

import datetime as dt
import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from dashboard import clock, db
from dashboard.config import settings
from dashboard.jobs import reports as job
from dashboard.models import Login, ReportPart, ReportRun, StaffLog
from dashboard.models.login import Role
from dashboard.models.report import Every, ReportFormat
from dashboard.queries import report_subjects
from dashboard.services import report_definitions, report_runs, report_schedules, reports
from dashboard.services.report_definitions import Choice, Definition, PeriodKind
from dashboard.services.report_schedules import Timing
from tests import builders, post_office
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
    assert make(desk, should_stop=lambda: True)
    assert run_of(desk, url).state == "running"
    assert "Being made" in manager.page(url).by_id("run").text
    assert make(desk)
    assert run_of(desk, url).state == "done"
    assert len(manager.post(f"{url}/downloads", {}).data.splitlines()) == 4


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
    url = asked(manager)
    desk.write(
        lambda session: session.execute(
            update(ReportRun).values(definition='{"subject": "balance-changes", "columns": 7}')
        )
    )
    make(desk)
    assert run_of(desk, url).problem == "This report cannot be read."


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
    desk.write(lambda session: report_runs.forget_old(session, now=AT + report_runs.KEPT))
    assert parts(desk) == 0
    past = text("UPDATE report_runs SET ended_at = ended_at - interval '31 days'")
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


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[post_office.PostOffice]:
    with post_office.opened() as opened:
        monkeypatch.setenv("PURSER_SMTP_URL", opened.url)
        monkeypatch.setenv("PURSER_MAIL_FROM", "desk@house.example")
        settings.cache_clear()
        yield opened
    settings.cache_clear()


def scheduled(desk: Desk, *, mail_to: list[str]) -> ReportRun:
    """A file that a schedule has made."""

    def plan(session: Any) -> None:
        who = builders.make_actor(session, operator_id=desk.operator_id, role=Role.MANAGER)
        subject = report_subjects.SOURCES["balance-changes"].subject
        kept = reports.create(
            session,
            actor=who,
            name="Every\nchange",
            definition=report_definitions.usual(subject),
            is_shared=False,
            now=AT,
        )
        report_schedules.create(
            session,
            actor=who,
            report_id=kept,
            file_format=ReportFormat.CSV,
            timing=Timing(Every.DAY, dt.time(6)),
            mail_to=mail_to,
            now=AT - dt.timedelta(days=3),
        )

    desk.write(plan)
    with desk.app.app_context():
        assert job.schedule(AT) == 1
        assert job.schedule(AT) == 0
    assert make(desk)
    return desk.read(lambda session: session.scalars(select(ReportRun)).one())


def send(desk: Desk, now: dt.datetime = AT) -> int:
    with desk.app.app_context():
        return job.send_mail(now)


def test_what_a_schedule_made_is_mailed_once(desk: Desk, office: post_office.PostOffice) -> None:
    run = scheduled(desk, mail_to=["ana@house.example", "ben@house.example"])
    assert run.state == "done", run.problem
    assert send(desk) == 1
    assert send(desk) == 0
    (to, letter), *others = office.letters
    assert not others
    assert to == ["ana@house.example", "ben@house.example"]
    assert str(letter["From"]) == "desk@house.example"
    assert str(letter["Subject"]).startswith("Every change")
    assert "ana@house.example" not in letter.as_string().partition("\n\n")[0]
    (attached,) = letter.iter_attachments()
    assert attached.get_filename() == f"report-{run.id}.csv"
    assert len(attached.get_content()) > 0
    run = desk.read(lambda session: session.scalars(select(ReportRun)).one())
    assert (run.mailed_at, run.mail_problem) == (AT, None)


def test_a_mail_that_is_not_taken_is_noted_and_tried_again(
    desk: Desk, office: post_office.PostOffice
) -> None:
    run = scheduled(desk, mail_to=["ana@house.example"])
    office.refused.add("ana@house.example")
    assert send(desk) == 0
    browser = desk.sign_in(Role.MANAGER)
    assert "Not mailed" in browser.page(f"/reports/runs/{run.id}").by_id("run").text
    office.refused.clear()
    assert send(desk, AT + dt.timedelta(days=2)) == 0
    assert send(desk) == 1
    assert "Not mailed" not in browser.page(f"/reports/runs/{run.id}").by_id("run").text


def test_without_a_mail_server_nothing_is_mailed(desk: Desk) -> None:
    run = scheduled(desk, mail_to=["ana@house.example"])
    assert send(desk) == 0
    assert run.state == "done"


def test_a_server_that_is_away_hinders_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with post_office.opened() as gone:
        url = gone.url
    monkeypatch.setenv("PURSER_SMTP_URL", url)
    settings.cache_clear()
    run = scheduled(desk, mail_to=["ana@house.example"])
    assert send(desk) == 0
    monkeypatch.delenv("PURSER_SMTP_URL")
    settings.cache_clear()
    problem = desk.read(lambda session: session.scalars(select(ReportRun.mail_problem)).one())
    assert problem is not None
    assert "cannot be reached" in problem
    assert run.state == "done"
