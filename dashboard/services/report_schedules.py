"""Reports that are made by themselves: each day, week or month at a time on the operator's wall.

A time that was missed, because no worker was there, is caught up with once: of several only the last one
is made. Each time of a schedule is made once, whoever looks, and however often (a unique index says so).

It is made in the name of whoever made or changed the schedule last. When its time comes and they have left,
may not keep schedules or cannot see its report any more, it ends and says why; changing it has it go on.
"""

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound, Rejected
from dashboard.models import ReportSchedule
from dashboard.models.report import Every, ReportFormat
from dashboard.services import report_runs, staff_log
from dashboard.services.actors import SYSTEM, Actor

SCHEDULES_MOST = 100
"""Of one operator."""
RECIPIENTS_MOST = 20
_ADDRESS = re.compile(r"[^\s@,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_REPORT = text("""
SELECT name FROM saved_reports
WHERE id = :report AND operator_id = :operator AND NOT is_deleted AND (is_shared OR made_by = :login)
""")
_COUNT = text("SELECT count(*) FROM report_schedules WHERE operator_id = :operator AND is_active")
# Locked, so that no time is reckoned by a zone that is being changed.
_ZONE = text("SELECT timezone FROM operators WHERE id = :operator FOR SHARE")
_CHANGE = text("""
UPDATE report_schedules s SET format = :format, every = :every, at = :at, on_day = :on_day,
  mail_to = :mail_to, next_at = :next_at, made_by = :login, is_active = true, ended_because = NULL
FROM saved_reports r
WHERE s.id = :schedule AND s.operator_id = :operator AND (s.is_active OR s.ended_because IS NOT NULL)
  AND r.id = s.report_id AND NOT r.is_deleted AND (r.is_shared OR r.made_by = :login)
""")
_STOP = text("""
UPDATE report_schedules s SET is_active = false, ended_because = NULL
FROM saved_reports r
WHERE s.id = :schedule AND s.operator_id = :operator AND (s.is_active OR s.ended_because IS NOT NULL)
  AND r.id = s.report_id AND (s.made_by = :login OR NOT r.is_deleted AND (r.is_shared OR r.made_by = :login))
""")
_END = text("UPDATE report_schedules SET is_active = false, ended_because = :because WHERE id = :schedule")
_TO_COME = text("""
SELECT id, every, at, on_day FROM report_schedules
WHERE operator_id = :operator AND is_active AND next_at > :now ORDER BY id FOR UPDATE
""")
_DUE = text("""
SELECT s.id, s.operator_id, s.report_id, s.format, s.every, s.at, s.on_day, s.next_at, s.made_by,
       r.name, r.subject, r.definition, o.timezone,
       NOT r.is_deleted AND (r.is_shared OR r.made_by = s.made_by) AS is_there
FROM report_schedules s
JOIN saved_reports r ON r.id = s.report_id
JOIN operators o ON o.id = s.operator_id
WHERE s.is_active AND s.next_at <= :now
ORDER BY s.next_at, s.id LIMIT :limit
FOR UPDATE OF s SKIP LOCKED FOR SHARE OF o SKIP LOCKED
""")
_MOVE = text("UPDATE report_schedules SET next_at = :next_at WHERE id = :schedule")
_MAKE = text("""
INSERT INTO report_runs (operator_id, name, subject, definition, format, report_id, schedule_id, due_at,
                         asked_by, asked_at)
VALUES (:operator, :name, :subject, :definition, :format, :report, :schedule, :due_at, :asked_by, :now)
ON CONFLICT (schedule_id, due_at) WHERE schedule_id IS NOT NULL DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Timing:
    """When a report is made. `on_day` of the week (1 is Monday) or the month, 0 each day."""

    every: Every
    at: dt.time
    on_day: int = 0

    def times(self, after: dt.datetime, zone: str) -> Iterator[dt.datetime]:
        """Every instant at which it is made after that one, in UTC, on the wall of that zone.

        On the last day of a month that is too short for its day. Where the clocks go forward over its time it
        is made as much later; where the time comes twice, at the first of them.
        """
        day = clock.local(after, zone).date() - dt.timedelta(days=1)
        while True:
            day += dt.timedelta(days=1)
            if self._is_on(day):
                at = _instant(dt.datetime.combine(day, self.at), zone)
                if at > after:
                    yield at

    def _is_on(self, day: dt.date) -> bool:
        match self.every:
            case Every.DAY:
                return True
            case Every.WEEK:
                return day.isoweekday() == self.on_day
            case Every.MONTH:
                return day.day == min(self.on_day, calendar.monthrange(day.year, day.month)[1])

    def next(self, after: dt.datetime, zone: str) -> dt.datetime:
        """The first of them."""
        return next(self.times(after, zone))

    def last_missed(self, since: dt.datetime, now: dt.datetime, zone: str) -> dt.datetime:
        """The last of them until now; `since` is one of them, and is over."""
        last = since
        for at in self.times(since, zone):
            if at > now:
                return last
            last = at
        raise AssertionError("unreachable")


def _instant(wall: dt.datetime, zone: str) -> dt.datetime:
    told = clock.instants(wall, zone)
    # Where the wall skips it, by the offset before: as much later as the clocks went forward.
    return told[0] if told else wall.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def read_recipients(typed: str) -> list[str]:
    """Addresses from what a person typed, by commas, semicolons or lines. Raises Rejected, on `mail_to`."""
    found = list(dict.fromkeys(part for part in re.split(r"[\s,;]+", typed) if part))
    for address in found:
        if not _ADDRESS.fullmatch(address):
            raise Rejected(f"“{address[:60]}” is no e-mail address.", field="mail_to")
    if len(found) > RECIPIENTS_MOST:
        raise Rejected(f"Name at most {RECIPIENTS_MOST} people.", field="mail_to")
    return found


def create(
    session: Session,
    *,
    actor: Actor,
    report_id: int,
    file_format: ReportFormat,
    timing: Timing,
    mail_to: Sequence[str],
    now: dt.datetime,
) -> int:
    """Have a saved report made by itself; the schedule's id.

    Raises Rejected, on `report`, for one that the actor cannot see; and for too many schedules.
    """
    named = {"report": report_id, "operator": actor.operator_id, "login": actor.id}
    name = session.scalars(_REPORT, named).one_or_none()
    if name is None:
        raise Rejected("Choose a report.", field="report")
    if session.scalars(_COUNT, named).one() >= SCHEDULES_MOST:
        raise Rejected(f"There are {SCHEDULES_MOST} schedules: stop one first.")
    schedule_id = session.scalars(
        insert(ReportSchedule)
        .values(
            operator_id=actor.operator_id,
            report_id=report_id,
            format=file_format,
            every=timing.every,
            at=timing.at,
            on_day=timing.on_day,
            mail_to=list(mail_to),
            next_at=timing.next(now, _zone(session, actor.operator_id)),
            made_by=actor.id,
            made_at=now,
        )
        .returning(ReportSchedule.id)
    ).one()
    details: staff_log.Details = {"schedule": schedule_id, "name": name, "mail_to": ", ".join(mail_to)}
    staff_log.record(session, actor, "report.scheduled", details=details, now=now)
    return schedule_id


def change(
    session: Session,
    *,
    actor: Actor,
    schedule_id: int,
    file_format: ReportFormat,
    timing: Timing,
    mail_to: Sequence[str],
    now: dt.datetime,
) -> None:
    """Have it made at other times, as another file or for others, in the actor's name from now on.

    One that has ended by itself goes on. Raises NotFound, also where its report is not the actor's to see.
    """
    changed = session.execute(
        _CHANGE,
        {
            "schedule": schedule_id,
            "operator": actor.operator_id,
            "login": actor.id,
            "format": file_format,
            "every": timing.every,
            "at": timing.at,
            "on_day": timing.on_day,
            "mail_to": list(mail_to),
            "next_at": timing.next(now, _zone(session, actor.operator_id)),
        },
    )
    _expect_one(changed)
    details: staff_log.Details = {"schedule": schedule_id, "mail_to": ", ".join(mail_to)}
    staff_log.record(session, actor, "report.rescheduled", details=details, now=now)


def stop(session: Session, *, actor: Actor, schedule_id: int, now: dt.datetime) -> None:
    """Make it no more; what it made stays. Raises NotFound, as `change` does; one's own can be stopped."""
    named = {"schedule": schedule_id, "operator": actor.operator_id, "login": actor.id}
    _expect_one(session.execute(_STOP, named))
    staff_log.record(session, actor, "report.unscheduled", details={"schedule": schedule_id}, now=now)


def move(session: Session, *, operator_id: int, timezone: str, now: dt.datetime) -> None:
    """Reckon the next times by what is the operator's time zone from now on. What is due already stays so."""
    for row in session.execute(_TO_COME, {"operator": operator_id, "now": now}).all():
        next_at = _timing(row).next(now, timezone)
        session.execute(_MOVE, {"schedule": row.id, "next_at": next_at})


def run_due(session: Session, *, now: dt.datetime, limit: int = 100) -> int:
    """Ask for the file of every schedule whose time has come; how many there were."""
    due = session.execute(_DUE, {"now": now, "limit": limit}).all()
    for row in due:
        _run(session, row, now)
    return len(due)


def _run(session: Session, row: Row[Any], now: dt.datetime) -> None:
    maker = report_runs.maker_of(session, row.made_by)
    because = _ended_because(maker, is_there=row.is_there)
    if because:
        session.execute(_END, {"schedule": row.id, "because": because})
        details: staff_log.Details = {"schedule": row.id, "because": because}
        staff_log.record(
            session, SYSTEM, "report.unscheduled", operator_id=row.operator_id, details=details, now=now
        )
        return
    timing = _timing(row)
    due_at = timing.last_missed(row.next_at, now, row.timezone)
    session.execute(
        _MAKE,
        {
            "operator": row.operator_id,
            "name": row.name,
            "subject": row.subject,
            "definition": row.definition,
            "format": row.format,
            "report": row.report_id,
            "schedule": row.id,
            "due_at": due_at,
            "asked_by": row.made_by,
            "now": now,
        },
    )
    session.execute(_MOVE, {"schedule": row.id, "next_at": timing.next(now, row.timezone)})


def _ended_because(maker: Actor | None, *, is_there: bool) -> str | None:
    if maker is None:
        return "Whoever made it has left."
    if not maker.may("reports:edit"):
        return "Whoever made it may not keep schedules any more."
    return None if is_there else "Its report is deleted, or not shared any more."


def _timing(row: Row[Any]) -> Timing:
    return Timing(Every(row.every), row.at, row.on_day)


def _zone(session: Session, operator_id: int) -> str:
    return str(session.scalars(_ZONE, {"operator": operator_id}).one())


def _expect_one(changed: Any) -> None:
    if not changed.rowcount:
        raise NotFound("There is no such schedule.")
