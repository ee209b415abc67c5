"""Saving a list with its filters under a name: for oneself, or for everybody of a role."""

import datetime as dt

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models import SavedView
from dashboard.models.login import Role
from dashboard.services.actors import Actor

VIEWS_MOST = 50
"""Of one person, for one list."""


def create(
    session: Session,
    *,
    actor: Actor,
    page: str,
    name: str,
    query: str,
    shared_with: Role | None,
    now: dt.datetime,
) -> int:
    """Keep a view and return its id. Raises Rejected, on `name`, for a name in use and for too many."""
    mine = select(func.count()).where(SavedView.login_id == actor.id, SavedView.page == page)
    if session.scalars(mine).one() >= VIEWS_MOST:
        raise Rejected(f"You have {VIEWS_MOST} views of this list: delete one first.", field="name")
    made = session.scalars(
        insert(SavedView)
        .values(
            operator_id=actor.operator_id,
            login_id=actor.id,
            page=page,
            name=name,
            query=query,
            shared_with=shared_with,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(SavedView.id)
    ).one_or_none()
    if made is None:
        raise _in_use(name)
    return made


def change(session: Session, *, actor: Actor, view_id: int, name: str, shared_with: Role | None) -> None:
    """Give one's own view another name or other readers. Raises NotFound; Rejected, on `name`."""
    page = select(SavedView.page).where(SavedView.id == view_id, SavedView.login_id == actor.id)
    others = exists().where(
        SavedView.login_id == actor.id,
        SavedView.page == page.scalar_subquery(),
        SavedView.name == name,
        SavedView.id != view_id,
    )
    if session.scalar(select(others)):
        raise _in_use(name)
    changed = session.scalars(
        update(SavedView)
        .where(SavedView.id == view_id, SavedView.login_id == actor.id)
        .values(name=name, shared_with=shared_with)
        .returning(SavedView.id)
    ).one_or_none()
    if changed is None:
        raise NotFound("There is no such view of yours.")


def remove(session: Session, *, actor: Actor, view_id: int) -> None:
    """Delete one's own view. Raises NotFound."""
    removed = session.scalars(
        delete(SavedView)
        .where(SavedView.id == view_id, SavedView.login_id == actor.id)
        .returning(SavedView.id)
    ).one_or_none()
    if removed is None:
        raise NotFound("There is no such view of yours.")


def _in_use(name: str) -> Rejected:
    return Rejected(f"You have a view called “{name}” already: choose another name.", field="name")
