"""What a schedule made goes out by mail, to each address by itself.

What hinders it is noted beside the address. Where the server may take it later it is tried again, after one
minute, two, four and so on, at most an hour, for a day; where the server says that it never will, it is not.
At least once: a worker that dies between handing it in and noting it leaves it to be handed in again, under
the same Message-ID.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.services import mail, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.mail import Attachment, NotMailed

ATTACHED_MOST = 10 * 1024 * 1024
TRIED_FOR = dt.timedelta(days=1)
AT_A_TIME = 50
_PAUSE, _PAUSE_MOST = dt.timedelta(minutes=1), dt.timedelta(hours=1)
MIME = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
_WAITING = text("""
SELECT run_id, address FROM report_letters WHERE next_at <= :now
ORDER BY next_at, run_id, address LIMIT :limit
""")
# In the name of somebody who may work here no more nothing leaves the house.
_LETTER = text("""
SELECT r.operator_id, r.name, r.format, r.size, r.rows_done, r.ended_at, r.due_at, l.tries, l.problem,
       o.name AS operator, o.timezone, w.active
FROM report_letters l
JOIN report_runs r ON r.id = l.run_id
JOIN operators o ON o.id = r.operator_id
JOIN logins w ON w.id = r.asked_by
WHERE l.run_id = :run AND l.address = :address AND l.next_at <= :now
""")
_PARTS = text("SELECT content FROM report_parts WHERE run_id = :run ORDER BY number")
_MAILED = text("""
UPDATE report_letters SET sent_at = :now, next_at = NULL, problem = NULL, tries = tries + 1
WHERE run_id = :run AND address = :address
""")
_HINDERED = text("""
UPDATE report_letters SET problem = :problem, next_at = :next_at, tries = tries + 1
WHERE run_id = :run AND address = :address
""")


class Waiting(NamedTuple):
    """A file's run, and the address that it is to go to."""

    run_id: int
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A file that is to be mailed, and to whom."""

    run_id: int
    operator_id: int
    to: str
    subject: str
    body: str
    attachments: Sequence[Attachment]
    tries: int
    """Before this one."""
    ended_at: dt.datetime
    """When its file was made."""


def waiting(session: Session, *, now: dt.datetime) -> list[Waiting]:
    """What is to be mailed now, what has waited longest first."""
    return [Waiting(*row) for row in session.execute(_WAITING, {"now": now, "limit": AT_A_TIME})]


def letter(session: Session, *, one: Waiting, now: dt.datetime) -> Letter | None:
    """What is mailed of a run; None where it waits no more. Raises NotMailed where it is given up."""
    row = session.execute(_LETTER, {"run": one.run_id, "address": one.address, "now": now}).one_or_none()
    if row is None:
        return None
    if now > row.ended_at + TRIED_FOR:
        raise NotMailed(f"{row.problem or 'No mail server was set.'} Given up after a day.", is_final=True)
    if not row.active:
        raise NotMailed("Its maker has left.", is_final=True)
    made = f"{clock.local(row.due_at, row.timezone):%Y-%m-%d %H:%M}"
    lines = [f"{row.name}, {row.operator}, as of {made} ({row.timezone}): {row.rows_done:,} rows."]
    attachments = []
    if 0 < row.size <= ATTACHED_MOST:
        content = b"".join(session.scalars(_PARTS, {"run": one.run_id}))
        attachments.append(Attachment(f"report-{one.run_id}.{row.format}", MIME[row.format], content))
    else:
        lines.append("It is too large for a mail.")
    lines.append(f"It stands in Purser under Reports, Files, number {one.run_id}, for 30 days.")
    return Letter(
        one.run_id,
        row.operator_id,
        one.address,
        f"{row.name}: {made}",
        "\n\n".join(lines) + "\n",
        attachments,
        row.tries,
        row.ended_at,
    )


def send(one: Letter, *, url: str, sender: str) -> None:
    """Hand it in. Raises NotMailed."""
    mail.send(
        url,
        sender=sender,
        to=one.to,
        subject=one.subject,
        body=one.body,
        attachments=one.attachments,
        reference=f"report-{one.run_id}-{hashlib.sha256(one.to.encode()).hexdigest()[:16]}",
    )


def mailed(session: Session, *, one: Letter, now: dt.datetime) -> None:
    """Note that it is on its way, and to whom."""
    session.execute(_MAILED, {"run": one.run_id, "address": one.to, "now": now})
    details: staff_log.Details = {"run": one.run_id, "to": one.to, "attached": bool(one.attachments)}
    staff_log.record(session, SYSTEM, "report.mailed", operator_id=one.operator_id, details=details, now=now)


def hindered(session: Session, *, one: Waiting, refused: NotMailed, tries: int, now: dt.datetime) -> None:
    """Note why it is not, and when it is tried again, if it is. `tries` before this one."""
    next_at = None if refused.is_final else now + min(_PAUSE * 2 ** min(tries, 10), _PAUSE_MOST)
    named = {"run": one.run_id, "address": one.address, "problem": refused.message, "next_at": next_at}
    session.execute(_HINDERED, named)
