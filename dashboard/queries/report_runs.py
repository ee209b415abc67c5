"""Files of reports, and schedules, as pages show them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, Operator, ReportRun, ReportSchedule, SavedReport
from dashboard.models.operator import MoneyMode
from dashboard.models.report import Every, RunState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place

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
    mailed_at: dt.datetime | None
    mail_problem: str | None
    schedule_id: int | None

    @property
    def is_busy(self) -> bool:
        """Whether it is to be made, or being made."""
        return self.state in BUSY


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule that is kept."""

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


def page_of_runs(session: Session, *, operator_id: int, after: str = "") -> Page[RunRow]:
    """Every file of the operator, the newest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[RunRow]:
        chosen = _runs(operator_id).order_by(ReportRun.id.desc()).limit(limit)
        if after is not None:
            chosen = chosen.where(ReportRun.id < after[0])
        return [_run(row) for row in session.execute(chosen)]

    return paging.gather(fetch, lambda run: paging.write(run.id), after=paging.read(after, int))


def get_run(session: Session, *, operator_id: int, run_id: int) -> RunRow:
    """One file. Raises NotFound."""
    row = session.execute(_runs(operator_id).where(ReportRun.id == run_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such file.")
    return _run(row)


def list_schedules(session: Session, *, operator_id: int) -> list[ScheduleRow]:
    """Every schedule of the operator, the next one first."""
    rows = session.execute(_schedules(operator_id).order_by(ReportSchedule.next_at, ReportSchedule.id))
    return [ScheduleRow(*row) for row in rows]


def get_schedule(session: Session, *, operator_id: int, schedule_id: int) -> ScheduleRow:
    """One of them. Raises NotFound."""
    row = session.execute(_schedules(operator_id).where(ReportSchedule.id == schedule_id)).one_or_none()
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


def _runs(operator_id: int) -> Select[*tuple[Any, ...]]:
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
            ReportRun.mailed_at,
            ReportRun.mail_problem,
            ReportRun.schedule_id,
        )
        .join(Login, Login.id == ReportRun.asked_by)
        .where(ReportRun.operator_id == operator_id)
    )


def _run(row: Any) -> RunRow:
    return RunRow(*row)


def _schedules(operator_id: int) -> Select[*tuple[Any, ...]]:
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
        )
        .join(SavedReport, SavedReport.id == ReportSchedule.report_id)
        .join(Login, Login.id == ReportSchedule.made_by)
        .where(ReportSchedule.operator_id == operator_id, ReportSchedule.is_active)
    )
