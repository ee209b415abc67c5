"""What schedules made goes out by mail, to each address once; what hinders it is told, and kept quiet."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from dashboard.config import settings
from dashboard.jobs import reports as job
from dashboard.models import Login, ReportLetter, ReportRun, SavedReport, StaffLog
from dashboard.models.login import Role
from dashboard.models.report import Every, ReportFormat
from dashboard.queries import report_subjects
from dashboard.services import report_definitions, report_mail, report_schedules, reports
from dashboard.services.report_schedules import Timing
from tests import builders, post_office
from tests.web.desk import AT, Desk
from tests.web.test_report_runs import make


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


def letters(desk: Desk) -> list[ReportLetter]:
    return desk.read(
        lambda session: list(session.scalars(select(ReportLetter).order_by(ReportLetter.address)))
    )


ANA, BEN = "ana@house.example", "ben@house.example"


def test_what_a_schedule_made_is_mailed_once(desk: Desk, office: post_office.PostOffice) -> None:
    run = scheduled(desk, mail_to=[ANA, BEN])
    assert run.state == "done", run.problem
    assert send(desk) == 2
    assert send(desk, AT + dt.timedelta(hours=2)) == 0
    assert [to for to, _letter in office.letters] == [[ANA], [BEN]]
    for to, letter in office.letters:
        assert (str(letter["From"]), str(letter["To"])) == ("desk@house.example", to[0])
        assert str(letter["Subject"]).startswith("Every change")
        assert str(letter["Message-ID"]).endswith("@house.example>")
        (attached,) = letter.iter_attachments()
        assert attached.get_filename() == f"report-{run.id}.csv"
        assert len(attached.get_content()) > 0
    assert len({str(letter["Message-ID"]) for _to, letter in office.letters}) == 2
    assert [(one.sent_at, one.next_at, one.tries) for one in letters(desk)] == [(AT, None, 1)] * 2
    actions = desk.read(lambda session: list(session.scalars(select(StaffLog.action))))
    assert actions.count("report.mailed") == 2


def page_of(desk: Desk, run: ReportRun) -> str:
    """What whoever made the schedule reads."""
    desk.write(lambda session: session.execute(update(SavedReport).values(is_shared=True)))
    return desk.sign_in(Role.MANAGER).page(f"/reports/runs/{run.id}").by_id("run").text


def test_an_address_that_is_refused_is_noted_and_hinders_no_other(
    desk: Desk, office: post_office.PostOffice
) -> None:
    run = scheduled(desk, mail_to=[ANA, BEN])
    office.refused[ANA] = "550 nobody"
    assert send(desk) == 1
    office.refused.clear()
    assert send(desk, AT + dt.timedelta(hours=2)) == 0
    assert [to for to, _letter in office.letters] == [[BEN]]
    lost, sent = letters(desk)
    assert (lost.problem, lost.next_at, lost.sent_at) == (
        *("The mail server refuses the address (550).", None),
        None,
    )
    assert sent.sent_at == AT
    assert "not sent The mail server refuses the address (550)." in page_of(desk, run)


def test_what_may_be_taken_later_is_tried_again_less_and_less_often(
    desk: Desk, office: post_office.PostOffice
) -> None:
    run = scheduled(desk, mail_to=[ANA])
    office.refused[ANA] = "450 busy"
    for now, pause in ((0, 1), (1, 2), (3, 4), (7, 8), (15, 16), (31, 32), (63, 60), (123, 60)):
        if now:
            assert send(desk, AT + dt.timedelta(minutes=now, seconds=-1)) == 0
        assert send(desk, AT + dt.timedelta(minutes=now)) == 0
        assert letters(desk)[0].next_at == AT + dt.timedelta(minutes=now + pause)
    office.refused.clear()
    assert send(desk, AT + dt.timedelta(days=1, seconds=1)) == 0
    assert send(desk, AT + dt.timedelta(days=1, hours=2)) == 0
    assert office.letters == []
    assert "refuses the address (450). Given up after a day." in page_of(desk, run)


def test_what_was_not_taken_at_first_goes_out_later(desk: Desk, office: post_office.PostOffice) -> None:
    run = scheduled(desk, mail_to=[ANA])
    office.content_answer = "451 not now"
    assert send(desk) == 0
    assert "not sent yet The mail server does not take it (451)." in page_of(desk, run)
    office.content_answer = "250 taken"
    office.letters.clear()
    assert send(desk, AT + dt.timedelta(minutes=1)) == 1
    assert [to for to, _letter in office.letters] == [[ANA]]
    assert (letters(desk)[0].tries, letters(desk)[0].problem) == (2, None)


def test_without_a_mail_server_nothing_is_mailed(desk: Desk) -> None:
    run = scheduled(desk, mail_to=[ANA])
    assert send(desk) == 0
    assert run.state == "done"
    assert "No mail server is set." in page_of(desk, run)


def test_a_server_that_is_away_is_asked_for_one_letter(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with post_office.opened() as gone:
        url = gone.url.replace("//", "//ana:very-secret@")
    monkeypatch.setenv("PURSER_SMTP_URL", url)
    settings.cache_clear()
    run = scheduled(desk, mail_to=[ANA, BEN])
    assert send(desk) == 0
    monkeypatch.delenv("PURSER_SMTP_URL")
    settings.cache_clear()
    tried, untried = letters(desk)
    assert tried.problem is not None
    assert "cannot be reached" in tried.problem
    assert untried.problem is None
    assert run.state == "done"
    assert "very-secret" not in caplog.text + tried.problem


def test_a_password_is_not_sent_in_the_open(
    desk: Desk,
    office: post_office.PostOffice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PURSER_SMTP_URL", office.url.replace("//", "//ana:very-secret@"))
    settings.cache_clear()
    scheduled(desk, mail_to=[ANA])
    assert send(desk) == 0
    (waiting,) = letters(desk)
    assert waiting.problem == "The mail server offers no TLS, and a password is not sent without it."
    assert not any("AUTH" in said for said in office.heard)
    assert "very-secret" not in caplog.text


def test_a_sender_that_is_refused_costs_no_letter(desk: Desk, office: post_office.PostOffice) -> None:
    scheduled(desk, mail_to=[ANA, BEN])
    office.sender_answer = "550 not from you"
    assert send(desk) == 0
    assert [one.tries for one in letters(desk)] == [1, 0]
    office.sender_answer = "250 yes"
    assert send(desk, AT + dt.timedelta(minutes=1)) == 2
    assert len(office.letters) == 2


def test_an_address_that_the_server_cannot_read_hinders_no_other(
    desk: Desk, office: post_office.PostOffice
) -> None:
    scheduled(desk, mail_to=["ana.müller@house.example", BEN])
    assert send(desk) == 1
    lost, _sent = letters(desk)
    assert (lost.problem, lost.next_at) == ("The mail server takes no address with such letters.", None)
    assert [to for to, _letter in office.letters] == [[BEN]]


def test_what_is_too_large_for_a_mail_is_named_in_it(
    desk: Desk, office: post_office.PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scheduled(desk, mail_to=[ANA])
    monkeypatch.setattr(report_mail, "ATTACHED_MOST", 10)
    assert send(desk) == 1
    ((_to, letter),) = office.letters
    assert list(letter.iter_attachments()) == []
    assert f"number {run.id}, for 30 days" in str(letter.get_content())


def test_nothing_is_mailed_in_the_name_of_somebody_who_has_left(
    desk: Desk, office: post_office.PostOffice
) -> None:
    scheduled(desk, mail_to=[ANA])
    desk.write(lambda session: session.execute(update(Login).values(active=False)))
    assert send(desk) == 0
    assert office.letters == []
    assert (letters(desk)[0].problem, letters(desk)[0].next_at) == ("Its maker has left.", None)
