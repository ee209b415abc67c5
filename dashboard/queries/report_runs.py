"""Files of reports, and schedules, as pages show them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, Operator, ReportLetter, ReportRun, ReportSchedule, SavedReport
from dashboard.models.operator import MoneyMode
from dashboard.models.report import Every, RunState
from dashboard.queries import paging, report_subjects
from dashboard.queries.paging import Page, Place
from dashboard.services.actors import Actor

BUSY = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, slots=True)
class RunRow:
    """A file, and how it stands."""

    id: int
    name: str
    subject: str
    format: str
    state: str
    asker: str
    """A name."""
    asked_at: dt.datetime
    due_at: dt.datetime | None
    """Of a schedule."""
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    rows_done: int
    rows_in_all: int | None
    size: int | None
    problem: str | None
    schedule_id: int | None

    @property
    def is_busy(self) -> bool:
        """Whether it is to be made, or being made."""
        return self.state in BUSY


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A file on its way to one address."""

    address: str
    next_at: dt.datetime | None
    """When it is tried; None once it is on its way, or given up."""
    sent_at: dt.datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule that is kept, or that ended by itself."""

    id: int
    report_id: int
    name: str
    """Of the report."""
    format: str
    every: str
    at: dt.time
    on_day: int
    mail_to: list[str]
    next_at: dt.datetime
    maker: str
    """A name."""
    ended_because: str | None
    is_there: bool
    """Whether its report is the reader's to see; otherwise it can only be stopped."""

    @property
    def when(self) -> str:
        """`Mondays at 06:00`."""
        at = f"at {self.at:%H:%M}"
        match Every(self.every):
            case Every.DAY:
                return f"Every day {at}"
            case Every.WEEK:
                return f"{_DAYS[self.on_day - 1]}s {at}"
            case Every.MONTH:
                return f"On day {self.on_day} of each month {at}"


@dataclass(frozen=True, slots=True)
class House:
    """Of an operator, what its documents say."""

    name: str
    timezone: str
    currency: str
    is_play: bool


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def page_of_runs(session: Session, *, actor: Actor, after: str = "") -> Page[RunRow]:
    """The actor's own files and those of reports that are shared, the newest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[RunRow]:
        chosen = _runs(actor).order_by(ReportRun.id.desc()).limit(limit)
        if after is not None:
            chosen = chosen.where(ReportRun.id < after[0])
        return [_run(row) for row in session.execute(chosen)]

    return paging.gather(fetch, lambda run: paging.write(run.id), after=paging.read(after, int))


def get_run(session: Session, *, actor: Actor, run_id: int) -> RunRow:
    """One of them. Raises NotFound."""
    row = session.execute(_runs(actor).where(ReportRun.id == run_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such file.")
    return _run(row)


def list_letters(session: Session, *, run_id: int) -> list[LetterRow]:
    """Where a file goes by mail, by address."""
    rows = session.execute(
        select(ReportLetter.address, ReportLetter.next_at, ReportLetter.sent_at, ReportLetter.problem)
        .where(ReportLetter.run_id == run_id)
        .order_by(ReportLetter.address)
    )
    return [LetterRow(*row) for row in rows]


def list_schedules(session: Session, *, actor: Actor) -> list[ScheduleRow]:
    """The actor's own and those of reports that are shared: what ended by itself, then the next one first."""
    rows = session.execute(
        _schedules(actor).order_by(ReportSchedule.is_active, ReportSchedule.next_at, ReportSchedule.id)
    )
    return [ScheduleRow(*row) for row in rows]


def get_schedule(session: Session, *, actor: Actor, schedule_id: int) -> ScheduleRow:
    """One that the actor may change. Raises NotFound."""
    wanted = _schedules(actor).where(ReportSchedule.id == schedule_id, _is_readable(actor))
    row = session.execute(wanted).one_or_none()
    if row is None:
        raise NotFound("There is no such schedule.")
    return ScheduleRow(*row)


def house_of(session: Session, operator_id: int) -> House:
    """Of an operator, what its documents say."""
    row = session.execute(
        select(Operator.name, Operator.timezone, Operator.currency, Operator.money).where(
            Operator.id == operator_id
        )
    ).one()
    return House(row.name, row.timezone, row.currency, row.money == MoneyMode.PLAY)


def _is_readable(actor: Actor) -> ColumnElement[bool]:
    """Of a saved report: whether it is the actor's to see."""
    return and_(~SavedReport.is_deleted, or_(SavedReport.is_shared, SavedReport.made_by == actor.id))


def _is_hidden(subject: Any, actor: Actor) -> ColumnElement[bool]:
    """Whether it is a report of something that the actor may not read."""
    hidden = [name for name, source in report_subjects.SOURCES.items() if not actor.may(source.subject.verb)]
    found: ColumnElement[bool] = subject.in_(hidden)
    return found


def _runs(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(
            ReportRun.id,
            ReportRun.name,
            ReportRun.subject,
            ReportRun.format,
            ReportRun.state,
            Login.name.label("asker"),
            ReportRun.asked_at,
            ReportRun.due_at,
            ReportRun.started_at,
            ReportRun.ended_at,
            ReportRun.rows_done,
            ReportRun.rows_in_all,
            ReportRun.size,
            ReportRun.problem,
            ReportRun.schedule_id,
        )
        .join(Login, Login.id == ReportRun.asked_by)
        .outerjoin(SavedReport, SavedReport.id == ReportRun.report_id)
        .where(
            ReportRun.operator_id == actor.operator_id,
            or_(ReportRun.asked_by == actor.id, and_(SavedReport.is_shared, ~SavedReport.is_deleted)),
            ~_is_hidden(ReportRun.subject, actor),
        )
    )


def _run(row: Any) -> RunRow:
    return RunRow(*row)


def _schedules(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(
            ReportSchedule.id,
            ReportSchedule.report_id,
            SavedReport.name,
            ReportSchedule.format,
            ReportSchedule.every,
            ReportSchedule.at,
            ReportSchedule.on_day,
            ReportSchedule.mail_to,
            ReportSchedule.next_at,
            Login.name.label("maker"),
            ReportSchedule.ended_because,
            _is_readable(actor),
        )
        .join(SavedReport, SavedReport.id == ReportSchedule.report_id)
        .join(Login, Login.id == ReportSchedule.made_by)
        .where(
            ReportSchedule.operator_id == actor.operator_id,
            or_(ReportSchedule.is_active, ReportSchedule.ended_because.is_not(None)),
            or_(ReportSchedule.made_by == actor.id, _is_readable(actor)),
            ~_is_hidden(SavedReport.subject, actor),
        )
    )
