"""/reports/schedules: what is made by itself is planned, changed, stopped."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select, update

from dashboard.models import Login, ReportSchedule, SavedReport
from dashboard.models.login import Role
from dashboard.queries import report_subjects
from dashboard.services import report_definitions, report_schedules, reports
from tests import builders
from tests.web.desk import AT, Browser, Desk

FORM = {"format": "csv", "every": "day", "weekday": "1", "day": "1", "at": "06:00", "mail_to": ""}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER, name="Ana Reyes")


@pytest.fixture
def report(desk: Desk, manager: Browser) -> int:
    """A report that the manager keeps."""

    def keep(session: Any) -> int:
        login = session.scalars(select(Login).where(Login.name == manager.name)).one()
        subject = report_subjects.SOURCES["balance-changes"].subject
        return reports.create(
            session,
            actor=builders.actor_of(login),
            name="Every change",
            definition=report_definitions.usual(subject),
            is_shared=False,
            now=AT,
        )

    return desk.write(keep)


def schedules(desk: Desk) -> list[ReportSchedule]:
    return desk.read(lambda session: list(session.scalars(select(ReportSchedule))))


def test_a_report_is_planned_changed_and_stopped(desk: Desk, manager: Browser, report: int) -> None:
    assert "No schedule yet" in manager.page("/reports/schedules").text
    page = manager.page(f"/reports/schedules/new?report={report}")
    assert "Every change" in page.text
    answer = manager.post(
        "/reports/schedules",
        {**FORM, "report": str(report), "every": "month", "day": "31", "mail_to": "ana@house.example"},
    )
    assert answer.status_code == 303, answer.text
    (kept,) = schedules(desk)
    assert (kept.every, kept.on_day, kept.mail_to) == ("month", 31, ["ana@house.example"])
    page = manager.page("/reports/schedules")
    assert "On day 31 of each month at 06:00" in page.text
    edit = manager.page(f"/reports/schedules/{kept.id}/edit")
    assert "ana@house.example" in edit.text
    changed = {**FORM, "report": str(report), "every": "week", "weekday": "5"}
    assert manager.post(f"/reports/schedules/{kept.id}", changed).status_code == 303
    assert "Fridays at 06:00" in manager.page("/reports/schedules").text
    assert manager.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 303
    assert "No schedule yet" in manager.page("/reports/schedules").text
    assert manager.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 404
    assert manager.get(f"/reports/schedules/{kept.id}/edit").status_code == 404


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"at": "25:00"}, "Enter a time, such as 06:00."),
        ({"at": "6"}, "Enter a time, such as 06:00."),
        ({"every": "month", "day": "32"}, "Enter a day from 1 to 31."),
        ({"every": "month", "day": ""}, "Enter a day from 1 to 31."),
        ({"mail_to": "ana"}, "is no e-mail address"),
    ],
)
def test_odd_input_is_told_at_its_field(
    desk: Desk, manager: Browser, report: int, given: dict[str, str], message: str
) -> None:
    answer = manager.post("/reports/schedules", {**FORM, "report": str(report), **given})
    assert answer.status_code == 422
    assert message in answer.text
    assert schedules(desk) == []


def test_all_that_is_odd_is_told_at_once(desk: Desk, manager: Browser, report: int) -> None:
    odd = {"at": "25:00", "every": "month", "day": "32", "mail_to": "ana, ben@house.example"}
    answer = manager.post("/reports/schedules", {**FORM, "report": str(report), **odd})
    assert answer.status_code == 422
    for said in ("Enter a time", "Enter a day from 1 to 31.", "“ana” is no e-mail address.", "ana, ben@"):
        assert said in answer.text
    assert schedules(desk) == []


def test_a_report_of_somebody_else_is_not_offered(desk: Desk, manager: Browser, report: int) -> None:
    other = desk.sign_in(Role.MANAGER, name="Ben Holm")
    assert "There is no report to make" in other.page("/reports/schedules/new").text
    assert other.post("/reports/schedules", {**FORM, "report": str(report)}).status_code == 422
    assert schedules(desk) == []


def share(desk: Desk, *, is_shared: bool = True) -> None:
    desk.write(lambda session: session.execute(update(SavedReport).values(is_shared=is_shared)))


def links_to_reports(browser: Browser) -> list[str]:
    """Where the list of schedules leads."""
    links = [link["href"] for link in browser.page("/reports/schedules").all("a")]
    return [link for link in links if "/saved/" in link]


def test_the_schedule_of_a_report_that_is_not_shared_is_its_makers(
    desk: Desk, manager: Browser, report: int
) -> None:
    manager.post("/reports/schedules", {**FORM, "report": str(report), "mail_to": "secret@house.example"})
    (kept,) = schedules(desk)
    other = desk.sign_in(Role.ADMIN, name="Ben Holm")
    page = other.page("/reports/schedules")
    assert "No schedule yet" in page.text
    assert "Every change" not in page.text
    assert other.get(f"/reports/schedules/{kept.id}/edit").status_code == 404
    assert other.post(f"/reports/schedules/{kept.id}", {**FORM, "report": "1"}).status_code == 404
    assert other.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 404
    share(desk)
    (link,) = [
        each["href"] for each in other.page("/reports/schedules").all("a") if "/saved/" in each["href"]
    ]
    assert other.get(link).status_code == 200
    assert other.post(f"/reports/schedules/{kept.id}", {**FORM, "report": "1"}).status_code == 303
    # It is Ben's by now; where he cannot see the report any more it has no link, and can be stopped.
    share(desk, is_shared=False)
    assert "Every change" in other.page("/reports/schedules").by_id("schedules").text
    assert links_to_reports(other) == []
    assert other.get(f"/reports/schedules/{kept.id}/edit").status_code == 404
    assert other.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 303


def test_what_ended_by_itself_says_why_and_goes_on_where_somebody_wants_it(
    desk: Desk, manager: Browser, report: int
) -> None:
    share(desk)
    manager.post("/reports/schedules", {**FORM, "report": str(report)})
    (kept,) = schedules(desk)
    other = desk.sign_in(Role.MANAGER, name="Ben Holm")
    lost = update(Login).where(Login.name == manager.name).values(active=False)
    desk.write(lambda session: session.execute(lost))
    later = AT + dt.timedelta(days=1)
    desk.write(lambda session: report_schedules.run_due(session, now=later))
    assert "ended Whoever made it has left." in other.page("/reports/schedules").by_id("schedules").text
    edit = other.page(f"/reports/schedules/{kept.id}/edit")
    assert "From now on it is made in your name." in edit.text
    assert other.post(f"/reports/schedules/{kept.id}", {**FORM, "report": str(report)}).status_code == 303
    text = other.page("/reports/schedules").by_id("schedules").text
    assert "ended" not in text
    assert "Ben Holm" in text
    desk.write(lambda session: session.execute(update(ReportSchedule).values(next_at=later)))
    desk.write(lambda session: session.execute(update(Login).values(role=Role.AUDITOR)))
    desk.write(lambda session: report_schedules.run_due(session, now=later))
    desk.write(lambda session: session.execute(update(Login).values(role=Role.MANAGER)))
    assert other.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 303
    assert "No schedule yet" in other.page("/reports/schedules").text


def test_what_is_late_says_that_it_waits(desk: Desk, manager: Browser, report: int) -> None:
    manager.post("/reports/schedules", {**FORM, "report": str(report)})
    for minutes, is_late in ((1, False), (3, True)):
        due = update(ReportSchedule).values(next_at=AT - dt.timedelta(minutes=minutes))
        desk.write(lambda session, due=due: session.execute(due))
        text = manager.page("/reports/schedules").by_id("schedules").text
        assert ("waits for the worker" in text) is is_late


def test_an_auditor_reads_and_changes_nothing(desk: Desk, manager: Browser, report: int) -> None:
    manager.post("/reports/schedules", {**FORM, "report": str(report)})
    (kept,) = schedules(desk)
    auditor = desk.sign_in(Role.AUDITOR)
    assert "Every change" not in auditor.page("/reports/schedules").text
    share(desk)
    page = auditor.page("/reports/schedules")
    assert "Every change" in page.text
    assert "Stop" not in page.by_id("schedules").text
    assert auditor.get("/reports/schedules/new").status_code == 403
    assert auditor.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 403


def test_another_operators_schedule_is_not_there(desk: Desk, manager: Browser, report: int) -> None:
    manager.post("/reports/schedules", {**FORM, "report": str(report)})
    (kept,) = schedules(desk)
    stranger = Desk(desk.app, desk.write(builders.make_operator)).sign_in(Role.MANAGER)
    assert stranger.get(f"/reports/schedules/{kept.id}/edit").status_code == 404
    assert stranger.post(f"/reports/schedules/{kept.id}", {**FORM, "report": "1"}).status_code == 404
    assert stranger.post(f"/reports/schedules/{kept.id}/stop", {}).status_code == 404
