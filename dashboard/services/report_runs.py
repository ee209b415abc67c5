"""Files of reports that take long: asked for here, made by the worker in pieces, kept for a while.

Whoever makes one holds a lock on its number for as long as it takes, on the connection that reads its
rows: where that connection is lost, the next worker begins the file anew, and is told by the number of its
try from whoever lost it. Every piece is a transaction of its own, and refused once the run is no longer being
made: so a run that was cancelled stays cancelled.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.models import ReportRun
from dashboard.models.login import Role
from dashboard.models.report import ReportFormat, RunState
from dashboard.services import report_definitions, staff_log
from dashboard.services.actors import Actor

KEPT = dt.timedelta(days=30)
"""How long a file can be taken after it was made."""
WAITING_MOST = 20
"""Of one operator."""
PIECE = 1024 * 1024
SIZE_MOST = 1024**3
"""What one file may hold, in bytes."""
TRIES_MOST = 3
"""So often a file is begun where making it ends the worker, or loses the database."""
_NAME_MOST = 80
_LOCK = 0x50555207  # "PUR", 7: followed by the run's number

_WAITING = text("""
SELECT count(*) FROM report_runs WHERE operator_id = :operator AND state IN ('queued', 'running')
""")
_NEXT = text("SELECT id FROM report_runs WHERE state IN ('queued', 'running') ORDER BY id")
_MINE = text("SELECT pg_try_advisory_xact_lock(CAST(:lock AS int), CAST(:run AS int))")
_TAKE = text("""
UPDATE report_runs SET state = 'running', started_at = :now, rows_done = 0, rows_in_all = NULL,
  tries = tries + 1
WHERE id = :run AND state IN ('queued', 'running')
RETURNING id, operator_id, name, subject, definition, format, asked_by, tries,
  coalesce(due_at, asked_at) AS as_of
""")
_GIVE_BACK = text("""
UPDATE report_runs SET state = 'queued', started_at = NULL, rows_done = 0, tries = tries - 1
WHERE id = :run AND state = 'running' AND tries = :tries
""")
_IS_WANTED = text("SELECT 1 FROM report_runs WHERE id = :run AND state = 'running' AND tries = :tries")
_FORGET_PARTS = text("DELETE FROM report_parts WHERE run_id = :run")
_PROGRESS = text("""
UPDATE report_runs SET rows_done = :rows, rows_in_all = coalesce(CAST(:in_all AS bigint), rows_in_all)
WHERE id = :run AND state = 'running' AND tries = :tries
""")
_APPEND = text("INSERT INTO report_parts (run_id, number, content) VALUES (:run, :number, :content)")
_FINISH = text("""
UPDATE report_runs SET state = 'done', rows_done = :rows, rows_in_all = :rows, ended_at = :now,
  size = (SELECT coalesce(sum(octet_length(content)), 0) FROM report_parts WHERE run_id = :run)
WHERE id = :run AND state = 'running' AND tries = :tries
""")
_FAIL = text("""
UPDATE report_runs SET state = 'failed', problem = :problem, ended_at = :now
WHERE id = :run AND state = 'running' AND tries = :tries
""")
# Whom it is mailed to is as the schedule says at that moment.
_MAIL = text("""
INSERT INTO report_letters (run_id, address, next_at)
SELECT r.id, unnest(s.mail_to), :now FROM report_runs r JOIN report_schedules s ON s.id = r.schedule_id
WHERE r.id = :run ON CONFLICT DO NOTHING
""")
_CANCEL = text("""
UPDATE report_runs SET state = 'cancelled', ended_at = :now
WHERE id = :run AND operator_id = :operator AND state IN ('queued', 'running') RETURNING name
""")
_KNOWN = text("SELECT 1 FROM report_runs WHERE id = :run AND operator_id = :operator")
_MAKER = text("SELECT id, operator_id, role, name, active FROM logins WHERE id = :id")
_PART = text("SELECT content FROM report_parts WHERE run_id = :run AND number = :number")
_OLD = text("""
DELETE FROM report_parts p USING report_runs r WHERE r.id = p.run_id AND r.ended_at <= :before
""")


class Interrupted(PurserError):
    """The run is not being made any more: somebody cancelled it, or the worker is to stop."""


def ask(
    session: Session,
    *,
    actor: Actor,
    name: str,
    definition: str,
    file_format: ReportFormat,
    now: dt.datetime,
    report_id: int | None = None,
) -> int:
    """Have the worker make a file; its run's id. `definition` is as `report_definitions` writes it.

    Raises Rejected for one that cannot be read, and while too many wait. Whether it can be had is for
    whoever asks to have checked; the worker checks it again.
    """
    subject = report_definitions.read(definition).subject
    if session.scalars(_WAITING, {"operator": actor.operator_id}).one() >= WAITING_MOST:
        raise Rejected(f"{WAITING_MOST} files are waiting already: try again when some of them are made.")
    run_id = session.scalars(
        insert(ReportRun)
        .values(
            operator_id=actor.operator_id,
            name=name[:_NAME_MOST],
            subject=subject,
            definition=definition,
            format=file_format,
            report_id=report_id,
            asked_by=actor.id,
            asked_at=now,
        )
        .returning(ReportRun.id)
    ).one()
    details: staff_log.Details = {"run": run_id, "name": name[:_NAME_MOST], "format": file_format.value}
    staff_log.record(session, actor, "report.asked", details=details, now=now)
    return run_id


def cancel(session: Session, *, run_id: int, actor: Actor, now: dt.datetime) -> None:
    """End a run that is not made yet; nothing of it stays. Raises NotFound, Conflict."""
    named = {"run": run_id, "operator": actor.operator_id, "now": now}
    name = session.scalars(_CANCEL, named).one_or_none()
    if name is None:
        if session.scalar(_KNOWN, named) is None:
            raise NotFound("There is no such file.")
        raise Conflict("This file is not being made any more.")
    session.execute(_FORGET_PARTS, named)
    staff_log.record(session, actor, "report.cancelled", details={"run": run_id, "name": name}, now=now)


def are_waiting(session: Session) -> bool:
    """Whether there is one to be made, or one that is being made."""
    return session.scalars(_NEXT).first() is not None


def find_next(session: Session) -> int | None:
    """The oldest run that nobody is making; its lock stays with the session's transaction."""
    for run_id in session.scalars(_NEXT).all():
        if session.scalar(_MINE, {"lock": _LOCK, "run": run_id}):
            return int(run_id)
    return None


def take(session: Session, *, run_id: int, now: dt.datetime) -> Row[Any] | None:
    """Begin a run from the beginning, under its lock; None where it is over by now.

    `as_of` is when it was asked for, or was due.
    """
    taken = session.execute(_TAKE, {"run": run_id, "now": now}).one_or_none()
    if taken is not None:
        session.execute(_FORGET_PARTS, {"run": run_id})
    return taken


def maker_of(session: Session, login_id: int) -> Actor | None:
    """In whose name it is made; None where they have left."""
    row = session.execute(_MAKER, {"id": login_id}).one()
    if not row.active:
        return None
    return Actor(id=row.id, operator_id=row.operator_id, role=Role(row.role), name=row.name)


def is_wanted(session: Session, *, run_id: int, tries: int) -> bool:
    """Whether it is still being made by whoever began it as this try."""
    return session.scalar(_IS_WANTED, {"run": run_id, "tries": tries}) is not None


def give_back(session: Session, *, run_id: int, tries: int) -> None:
    """Leave it to the next worker, as if nobody had begun."""
    session.execute(_GIVE_BACK, {"run": run_id, "tries": tries})


def progress(session: Session, *, run_id: int, tries: int, rows: int, in_all: int | None = None) -> None:
    """Say how far it is. Raises Interrupted where it is not being made any more."""
    told = session.execute(_PROGRESS, {"run": run_id, "tries": tries, "rows": rows, "in_all": in_all})
    _expect_wanted(told)


def append(session: Session, *, run_id: int, tries: int, number: int, content: bytes, rows: int) -> None:
    """Keep a piece of the file, numbered from 1. Raises Interrupted as `progress` does."""
    progress(session, run_id=run_id, tries=tries, rows=rows)
    session.execute(_APPEND, {"run": run_id, "number": number, "content": content})


def finish(session: Session, *, run_id: int, tries: int, rows: int, now: dt.datetime) -> None:
    """The file is whole; it is to be mailed where its schedule says so. Raises Interrupted as `progress`."""
    _expect_wanted(session.execute(_FINISH, {"run": run_id, "tries": tries, "rows": rows, "now": now}))
    session.execute(_MAIL, {"run": run_id, "now": now})


def fail(session: Session, *, run_id: int, tries: int, problem: str, now: dt.datetime) -> None:
    """It cannot be made, and why; nothing of it stays. Raises Interrupted as `progress` does."""
    named = {"run": run_id, "tries": tries, "problem": problem, "now": now}
    _expect_wanted(session.execute(_FAIL, named))
    session.execute(_FORGET_PARTS, named)


def part(session: Session, *, run_id: int, number: int) -> bytes | None:
    """One piece of a file; None behind its last one."""
    found: bytes | None = session.scalars(_PART, {"run": run_id, "number": number}).one_or_none()
    return found


def pieces_of(whole: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of 1 MB, the last one shorter; never more than a few of them in memory."""
    gathered = bytearray()
    for piece in whole:
        gathered += piece
        while len(gathered) >= PIECE:
            yield bytes(gathered[:PIECE])
            del gathered[:PIECE]
    if gathered:
        yield bytes(gathered)


def is_kept(run_state: str, ended_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether the file can be taken."""
    return run_state == RunState.DONE and ended_at is not None and now < ended_at + KEPT


def forget_old(session: Session, *, now: dt.datetime) -> int:
    """Delete the files that were kept long enough; how many pieces. What was made stays on record."""
    return session.execute(_OLD, {"before": now - KEPT}).rowcount  # type: ignore[attr-defined,no-any-return]


def _expect_wanted(changed: Any) -> None:
    if not changed.rowcount:
        raise Interrupted("This file is not being made any more.")
