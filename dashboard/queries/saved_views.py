"""Saved views: lists with their filters, under a name."""

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, SavedView
from dashboard.services.actors import Actor


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A saved view as whoever looks at its list sees it."""

    id: int
    page: str
    """The endpoint of the list."""
    name: str
    query: str
    shared_with: str | None
    """The role whose people see it too."""
    owner_id: int
    owner: str
    """A name."""


_ROWS = select(
    SavedView.id,
    SavedView.page,
    SavedView.name,
    SavedView.query,
    SavedView.shared_with,
    SavedView.login_id,
    Login.name.label("owner"),
).join(Login, Login.id == SavedView.login_id)


def list_views(session: Session, *, actor: Actor, page: str) -> list[ViewRow]:
    """The actor's own views of that list and those shared with their role, by name."""
    rows = session.execute(
        _ROWS.where(
            SavedView.operator_id == actor.operator_id,
            SavedView.page == page,
            or_(SavedView.login_id == actor.id, SavedView.shared_with == actor.role),
        ).order_by(SavedView.name, SavedView.id)
    )
    return [ViewRow(*row) for row in rows]


def get_own(session: Session, *, actor: Actor, view_id: int) -> ViewRow:
    """One view of the actor's own. Raises NotFound, also for somebody else's."""
    row = session.execute(_ROWS.where(SavedView.id == view_id, SavedView.login_id == actor.id)).one_or_none()
    if row is None:
        raise NotFound("There is no such view of yours.")
    return ViewRow(*row)
