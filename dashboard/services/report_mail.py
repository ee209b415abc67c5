"""What a schedule made goes out by mail; what hinders it is noted beside the file, and tried again for a day.

At least once: a worker that dies between handing it in and noting it leaves it to be handed in again.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.services import mail, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.mail import Attachment

ATTACHED_MOST = 10 * 1024 * 1024
TRIED_FOR = dt.timedelta(days=1)
MIME = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
_WAITING = text("""
SELECT r.id, r.operator_id, r.name, r.format, r.size, r.rows_done, r.ended_at, r.due_at, s.mail_to,
       o.name AS operator, o.timezone
FROM report_runs r
JOIN report_schedules s ON s.id = r.schedule_id
JOIN operators o ON o.id = r.operator_id
WHERE r.state = 'done' AND r.mailed_at IS NULL AND r.ended_at > :since AND cardinality(s.mail_to) > 0
ORDER BY r.id
""")
_PARTS = text("SELECT content FROM report_parts WHERE run_id = :run ORDER BY number")
_MAILED = text("UPDATE report_runs SET mailed_at = :now, mail_problem = NULL WHERE id = :run")
_HINDERED = text("UPDATE report_runs SET mail_problem = :problem WHERE id = :run")


@dataclass(frozen=True, slots=True)
class Letter:
    """A file that is to be mailed, and to whom."""

    run_id: int
    operator_id: int
    to: Sequence[str]
    subject: str
    body: str
    attachments: Sequence[Attachment]


def waiting(session: Session, *, now: dt.datetime) -> list[int]:
    """The runs whose file is to be mailed, the oldest first."""
    return [row.id for row in session.execute(_WAITING, {"since": now - TRIED_FOR})]


def letter(session: Session, *, run_id: int, now: dt.datetime) -> Letter | None:
    """What is mailed of a run; None where it is not waiting any more."""
    row = next(
        (row for row in session.execute(_WAITING, {"since": now - TRIED_FOR}) if row.id == run_id), None
    )
    if row is None:
        return None
    made = f"{clock.local(row.due_at, row.timezone):%Y-%m-%d %H:%M}"
    lines = [f"{row.name}, {row.operator}, as of {made} ({row.timezone}): {row.rows_done:,} rows."]
    attachments = []
    if 0 < row.size <= ATTACHED_MOST:
        content = b"".join(session.scalars(_PARTS, {"run": run_id}))
        name = f"report-{run_id}.{row.format}"
        attachments.append(Attachment(name, MIME[row.format], content))
    else:
        lines.append("It is too large for a mail.")
    lines.append(f"It stands in Purser under Reports, Files, number {run_id}, for 30 days.")
    body = "\n\n".join(lines) + "\n"
    return Letter(run_id, row.operator_id, row.mail_to, f"{row.name}: {made}", body, attachments)


def send(one: Letter, *, url: str, sender: str) -> None:
    """Hand it in. Raises NotMailed."""
    mail.send(
        url,
        sender=sender,
        to=one.to,
        subject=one.subject,
        body=one.body,
        attachments=one.attachments,
    )


def mailed(session: Session, *, one: Letter, now: dt.datetime) -> None:
    """Note that it is on its way, and to whom."""
    session.execute(_MAILED, {"run": one.run_id, "now": now})
    details: staff_log.Details = {
        "run": one.run_id,
        "to": ", ".join(one.to),
        "attached": bool(one.attachments),
    }
    staff_log.record(session, SYSTEM, "report.mailed", operator_id=one.operator_id, details=details, now=now)


def hindered(session: Session, *, run_id: int, problem: str) -> None:
    """Note why it is not."""
    session.execute(_HINDERED, {"run": run_id, "problem": problem})
