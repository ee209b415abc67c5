"""Keeping reports under a name: for oneself, or for all staff of the operator."""

import datetime as dt

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models import SavedReport
from dashboard.services import report_definitions, staff_log
from dashboard.services.actors import Actor
from dashboard.services.report_definitions import Definition

REPORTS_MOST = 200
"""Of one person."""


def create(
    session: Session, *, actor: Actor, name: str, definition: Definition, is_shared: bool, now: dt.datetime
) -> int:
    """Keep a report and return its id. Raises Rejected, on `name`, for a name in use and for too many.

    Whether the definition can be had is for whoever asks to have checked.
    """
    mine = select(func.count()).where(
        SavedReport.operator_id == actor.operator_id,
        SavedReport.made_by == actor.id,
        ~SavedReport.is_deleted,
    )
    if session.scalars(mine).one() >= REPORTS_MOST:
        raise Rejected(f"You have {REPORTS_MOST} reports: delete one first.", field="name")
    _refuse_twice(session, actor, name, but=0)
    made = session.scalars(
        insert(SavedReport)
        .values(
            operator_id=actor.operator_id,
            name=name,
            subject=definition.subject,
            definition=report_definitions.write(definition),
            is_shared=is_shared,
            made_by=actor.id,
            made_at=now,
            changed_at=now,
        )
        .returning(SavedReport.id)
    ).one()
    _log(session, actor, "report.saved", now, report=made, name=name, is_shared=is_shared)
    return made


def change(
    session: Session,
    *,
    actor: Actor,
    report_id: int,
    name: str,
    definition: Definition,
    is_shared: bool,
    now: dt.datetime,
) -> None:
    """Give one's own report another name, content or readers. Raises NotFound; Rejected, on `name`."""
    _refuse_twice(session, actor, name, but=report_id)
    values = {
        "name": name,
        "subject": definition.subject,
        "definition": report_definitions.write(definition),
        "is_shared": is_shared,
        "changed_at": now,
    }
    _update_own(session, actor, report_id, values)
    _log(session, actor, "report.changed", now, report=report_id, name=name, is_shared=is_shared)


def remove(session: Session, *, actor: Actor, report_id: int, now: dt.datetime) -> None:
    """Delete one's own report; what it became as files stays. Raises NotFound."""
    name = _update_own(session, actor, report_id, {"is_deleted": True, "changed_at": now})
    _log(session, actor, "report.deleted", now, report=report_id, name=name)


def _update_own(session: Session, actor: Actor, report_id: int, values: dict[str, object]) -> str:
    changed = session.scalars(
        update(SavedReport)
        .where(
            SavedReport.id == report_id,
            SavedReport.operator_id == actor.operator_id,
            SavedReport.made_by == actor.id,
            ~SavedReport.is_deleted,
        )
        .values(**values)
        .returning(SavedReport.name)
    ).one_or_none()
    if changed is None:
        raise NotFound("There is no such report of yours.")
    return changed


def _refuse_twice(session: Session, actor: Actor, name: str, *, but: int) -> None:
    others = exists().where(
        SavedReport.operator_id == actor.operator_id,
        SavedReport.made_by == actor.id,
        SavedReport.name == name,
        SavedReport.id != but,
        ~SavedReport.is_deleted,
    )
    if session.scalar(select(others)):
        raise Rejected(f"You have a report called “{name}” already: choose another name.", field="name")


def _log(session: Session, actor: Actor, action: str, now: dt.datetime, **details: str | int | bool) -> None:
    staff_log.record(session, actor, action, details=details, now=now)
