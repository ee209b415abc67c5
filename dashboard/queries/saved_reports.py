"""Reports that are kept under a name."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, SavedReport
from dashboard.services.actors import Actor


@dataclass(frozen=True, slots=True)
class SavedRow:
    """A report that somebody has kept."""

    id: int
    name: str
    subject: str
    definition: str
    """JSON text."""
    is_shared: bool
    made_by: int
    maker: str
    """A name."""
    changed_at: dt.datetime


_ROWS = select(
    SavedReport.id,
    SavedReport.name,
    SavedReport.subject,
    SavedReport.definition,
    SavedReport.is_shared,
    SavedReport.made_by,
    Login.name.label("maker"),
    SavedReport.changed_at,
).join(Login, Login.id == SavedReport.made_by)


def list_reports(session: Session, *, actor: Actor) -> list[SavedRow]:
    """The actor's own and those shared by others of the operator, by name."""
    rows = session.execute(
        _ROWS.where(*_readable(actor)).order_by(SavedReport.name, SavedReport.id),
    )
    return [SavedRow(*row) for row in rows]


def get_report(session: Session, *, actor: Actor, report_id: int) -> SavedRow:
    """One that the actor may see. Raises NotFound."""
    row = session.execute(_ROWS.where(*_readable(actor), SavedReport.id == report_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such report.")
    return SavedRow(*row)


def get_own(session: Session, *, actor: Actor, report_id: int) -> SavedRow:
    """One of the actor's own. Raises NotFound."""
    found = get_report(session, actor=actor, report_id=report_id)
    if found.made_by != actor.id:
        raise NotFound("There is no such report of yours.")
    return found


def _readable(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return (
        SavedReport.operator_id == actor.operator_id,
        ~SavedReport.is_deleted,
        or_(SavedReport.made_by == actor.id, SavedReport.is_shared),
    )
