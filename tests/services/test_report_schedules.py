"""When reports are made by themselves: by the operator's calendar, once each, and once after a pause."""

import dataclasses
import datetime as dt

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models import Login, ReportRun, ReportSchedule, SavedReport
from dashboard.models.login import Role
from dashboard.models.report import Every, ReportFormat
from dashboard.queries import report_subjects
from dashboard.services import operators, report_definitions, report_schedules, reports
from dashboard.services.actors import Actor
from dashboard.services.report_schedules import Timing
from tests.builders import NOW, make_actor, make_operator

MALTA, KOLKATA = "Europe/Malta", "Asia/Kolkata"


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("timing", "after", "zone", "expected"),
    [
        # Malta is one hour ahead in winter and two in summer, Kolkata five and a half all year.
        (Timing(Every.DAY, dt.time(6)), utc(2026, 3, 2, 4, 59), MALTA, utc(2026, 3, 2, 5)),
        (Timing(Every.DAY, dt.time(6)), utc(2026, 3, 2, 5), MALTA, utc(2026, 3, 3, 5)),
        (Timing(Every.DAY, dt.time(6)), utc(2026, 3, 28, 5), MALTA, utc(2026, 3, 29, 4)),
        (Timing(Every.DAY, dt.time(0)), utc(2026, 3, 2, 18, 29), KOLKATA, utc(2026, 3, 2, 18, 30)),
        # On 29 March the clocks of Malta skip from 02:00 to 03:00, on 25 October 02:30 comes twice.
        (Timing(Every.DAY, dt.time(2, 30)), utc(2026, 3, 28, 1, 30), MALTA, utc(2026, 3, 29, 1, 30)),
        (Timing(Every.DAY, dt.time(2, 30)), utc(2026, 3, 29, 1, 30), MALTA, utc(2026, 3, 30, 0, 30)),
        (Timing(Every.DAY, dt.time(2, 30)), utc(2026, 10, 24, 12), MALTA, utc(2026, 10, 25, 0, 30)),
        (Timing(Every.DAY, dt.time(2, 30)), utc(2026, 10, 25, 0, 30), MALTA, utc(2026, 10, 26, 1, 30)),
        (Timing(Every.WEEK, dt.time(8), 1), utc(2026, 3, 2, 7), MALTA, utc(2026, 3, 9, 7)),
        (Timing(Every.WEEK, dt.time(8), 7), utc(2026, 3, 2, 7), MALTA, utc(2026, 3, 8, 7)),
        (Timing(Every.MONTH, dt.time(6), 31), utc(2026, 1, 31, 5), MALTA, utc(2026, 2, 28, 5)),
        (Timing(Every.MONTH, dt.time(6), 31), utc(2026, 2, 28, 5), MALTA, utc(2026, 3, 31, 4)),
        (Timing(Every.MONTH, dt.time(6), 30), utc(2028, 2, 1), MALTA, utc(2028, 2, 29, 5)),
        (Timing(Every.MONTH, dt.time(6), 1), utc(2026, 12, 1, 5), MALTA, utc(2027, 1, 1, 5)),
    ],
)
def test_the_next_time_is_on_the_operators_wall(
    timing: Timing, after: dt.datetime, zone: str, expected: dt.datetime
) -> None:
    assert timing.next(after, zone) == expected


@pytest.fixture
def manager(session: Session) -> Actor:
    house = make_operator(session, timezone=MALTA)
    return make_actor(session, operator_id=house, role=Role.MANAGER)


def keep(session: Session, actor: Actor, *, is_shared: bool = False) -> int:
    definition = report_definitions.usual(report_subjects.SOURCES["balance-changes"].subject)
    return reports.create(
        session, actor=actor, name="Every change", definition=definition, is_shared=is_shared, now=NOW
    )


def plan(session: Session, actor: Actor, report_id: int, *, timing: Timing | None = None) -> int:
    return report_schedules.create(
        session,
        actor=actor,
        report_id=report_id,
        file_format=ReportFormat.CSV,
        timing=timing or Timing(Every.DAY, dt.time(6)),
        mail_to=["ana@house.example"],
        now=utc(2026, 3, 2, 12),
    )


def keep_another(session: Session, actor: Actor) -> int:
    definition = report_definitions.usual(report_subjects.SOURCES["balances"].subject)
    return reports.create(
        session, actor=actor, name="Balances", definition=definition, is_shared=False, now=NOW
    )


def change(session: Session, actor: Actor, schedule_id: int, *, now: dt.datetime = NOW) -> None:
    report_schedules.change(
        session,
        actor=actor,
        schedule_id=schedule_id,
        file_format=ReportFormat.CSV,
        timing=Timing(Every.DAY, dt.time(6)),
        mail_to=[],
        now=now,
    )


def made(session: Session) -> list[dt.datetime | None]:
    return list(session.scalars(select(ReportRun.due_at).order_by(ReportRun.id)))


def test_a_time_that_has_come_is_made_once(session: Session, manager: Actor) -> None:
    schedule_id = plan(session, manager, keep(session, manager))
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 4, 59)) == 0
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 5)) == 1
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 5)) == 0
    assert made(session) == [utc(2026, 3, 3, 5)]
    run = session.scalars(select(ReportRun)).one()
    assert (run.name, run.state, run.asked_by, run.schedule_id) == (
        *("Every change", "queued", manager.id),
        schedule_id,
    )
    # Somebody puts the time back: the file is there already.
    session.execute(update(ReportSchedule).values(next_at=utc(2026, 3, 3, 5)))
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 6)) == 1
    assert made(session) == [utc(2026, 3, 3, 5)]


def test_what_was_missed_is_caught_up_with_once(session: Session, manager: Actor) -> None:
    plan(session, manager, keep(session, manager))
    back = utc(2026, 3, 31, 20)
    assert report_schedules.run_due(session, now=back) == 1
    assert report_schedules.run_due(session, now=back) == 0
    assert made(session) == [utc(2026, 3, 31, 4)]
    assert session.scalars(select(ReportSchedule.next_at)).one() == utc(2026, 4, 1, 4)


def test_a_schedule_that_is_stopped_makes_nothing(session: Session, manager: Actor) -> None:
    schedule_id = plan(session, manager, keep(session, manager))
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)
    with pytest.raises(NotFound):
        report_schedules.stop(session, actor=stranger, schedule_id=schedule_id, now=NOW)
    report_schedules.stop(session, actor=manager, schedule_id=schedule_id, now=NOW)
    assert report_schedules.run_due(session, now=utc(2027, 1, 1)) == 0


def test_a_change_counts_from_now_on(session: Session, manager: Actor) -> None:
    schedule_id = plan(session, manager, keep(session, manager))
    report_schedules.change(
        session,
        actor=manager,
        schedule_id=schedule_id,
        file_format=ReportFormat.PDF,
        timing=Timing(Every.WEEK, dt.time(9), 3),
        mail_to=[],
        now=utc(2026, 3, 2, 12),
    )
    row = session.scalars(select(ReportSchedule).execution_options(populate_existing=True)).one()
    assert (row.format, row.every, row.on_day, row.next_at, row.mail_to) == (
        *("pdf", "week", 3),
        *(utc(2026, 3, 4, 8), []),
    )


@pytest.mark.parametrize(
    ("lose", "because"),
    [
        (update(SavedReport).values(is_deleted=True), "deleted"),
        (update(Login).values(active=False), "has left"),
        (update(Login).values(role=Role.AGENT), "may not keep schedules"),
    ],
)
def test_a_schedule_ends_with_its_report_and_with_its_maker(
    session: Session, manager: Actor, lose: object, because: str
) -> None:
    plan(session, manager, keep(session, manager))
    session.execute(lose)  # type: ignore[call-overload]
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 5)) == 1
    assert made(session) == []
    is_active, ended_because = session.execute(
        select(ReportSchedule.is_active, ReportSchedule.ended_because)
    ).one()
    assert (is_active, because in str(ended_because)) == (False, True)
    assert session.scalar(text("SELECT count(*) FROM staff_log WHERE action = 'report.unscheduled'")) == 1
    assert report_schedules.run_due(session, now=utc(2026, 3, 4, 5)) == 0


def test_what_is_no_longer_shared_ends_the_schedules_of_others_alone(
    session: Session, manager: Actor
) -> None:
    other = make_actor(session, operator_id=manager.operator_id, role=Role.MANAGER)
    report_id = keep(session, manager, is_shared=True)
    own, others = plan(session, manager, report_id), plan(session, other, report_id)
    session.execute(update(SavedReport).values(is_shared=False))
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 5)) == 2
    assert session.scalars(select(ReportRun.schedule_id)).all() == [own]
    ended = select(ReportSchedule.id).where(ReportSchedule.ended_because.is_not(None))
    assert session.scalars(ended).all() == [others]


def test_another_manager_has_it_go_on_in_their_name(session: Session, manager: Actor) -> None:
    other = make_actor(session, operator_id=manager.operator_id, role=Role.MANAGER)
    schedule_id = plan(session, manager, keep(session, manager, is_shared=True))
    session.execute(update(Login).where(Login.id == manager.id).values(active=False))
    assert report_schedules.run_due(session, now=utc(2026, 3, 3, 5)) == 1
    change(session, other, schedule_id, now=utc(2026, 3, 3, 6))
    assert report_schedules.run_due(session, now=utc(2026, 3, 4, 5)) == 1
    run = session.scalars(select(ReportRun)).one()
    assert (run.asked_by, run.due_at) == (other.id, utc(2026, 3, 4, 5))
    assert session.scalars(select(ReportSchedule.ended_because)).one() is None


def test_nobody_changes_the_schedule_of_a_report_that_is_not_theirs_to_see(
    session: Session, manager: Actor
) -> None:
    other = make_actor(session, operator_id=manager.operator_id, role=Role.ADMIN)
    schedule_id = plan(session, manager, keep(session, manager))
    with pytest.raises(NotFound):
        change(session, other, schedule_id)
    with pytest.raises(NotFound):
        report_schedules.stop(session, actor=other, schedule_id=schedule_id, now=NOW)
    session.execute(update(SavedReport).values(is_deleted=True))
    with pytest.raises(NotFound):
        change(session, manager, schedule_id)
    report_schedules.stop(session, actor=manager, schedule_id=schedule_id, now=NOW)
    assert session.scalars(select(ReportSchedule.is_active)).one() is False


def test_another_time_zone_moves_what_is_to_come(session: Session, manager: Actor) -> None:
    plan(session, manager, keep(session, manager))
    due = plan(session, manager, keep_another(session, manager), timing=Timing(Every.WEEK, dt.time(9), 1))
    stranger = make_actor(session, operator_id=make_operator(session, timezone=MALTA), role=Role.MANAGER)
    elsewhere = plan(session, stranger, keep(session, stranger))
    now = utc(2026, 3, 2, 13)
    session.execute(update(ReportSchedule).where(ReportSchedule.id == due).values(next_at=utc(2026, 3, 2, 8)))
    settings = operators.lock_settings(session, operator_id=manager.operator_id)
    operators.edit(session, settings=dataclasses.replace(settings, timezone=KOLKATA), actor=manager, now=now)
    times = dict(session.execute(select(ReportSchedule.id, ReportSchedule.next_at)).all())
    assert sorted(times.values()) == [
        utc(2026, 3, 2, 8),
        utc(2026, 3, 3, 0, 30),
        utc(2026, 3, 3, 5),
    ]
    assert times[elsewhere] == utc(2026, 3, 3, 5)
    # What was due by the old clock is made still, and then by the new one.
    assert report_schedules.run_due(session, now=now) == 1
    assert made(session) == [utc(2026, 3, 2, 8)]
    wanted = select(ReportSchedule.next_at).where(ReportSchedule.id == due)
    assert session.scalars(wanted).one() == utc(2026, 3, 9, 3, 30)


def test_only_what_one_can_see_is_scheduled(session: Session, manager: Actor) -> None:
    other = make_actor(session, operator_id=manager.operator_id, role=Role.MANAGER)
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)
    own, shared = keep(session, other), keep(session, stranger, is_shared=True)
    for report_id in (own, shared):
        with pytest.raises(Rejected) as refused:
            plan(session, manager, report_id)
        assert refused.value.field == "report"
    session.execute(update(SavedReport).where(SavedReport.id == own).values(is_shared=True))
    assert plan(session, manager, own)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", []),
        ("a@b.example", ["a@b.example"]),
        ("a@b.example; c@d.example,\n a@b.example", ["a@b.example", "c@d.example"]),
    ],
)
def test_recipients_are_read_as_people_write_them(typed: str, read: list[str]) -> None:
    assert report_schedules.read_recipients(typed) == read


@pytest.mark.parametrize(
    "typed", ["ana", "ana@", "@b.example", "ana@house", 'a"b@c.example', "<a@b.example>", "a@b@c.example"]
)
def test_what_is_no_address_is_refused_at_its_field(typed: str) -> None:
    with pytest.raises(Rejected) as refused:
        report_schedules.read_recipients(typed)
    assert refused.value.field == "mail_to"


def test_no_more_recipients_than_a_schedule_holds() -> None:
    with pytest.raises(Rejected):
        report_schedules.read_recipients(" ".join(f"a{number}@b.example" for number in range(21)))
