"""What staff wrote about a player."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import Login, PlayerNote

LIMIT = 100


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A note, whose it is and when it was written."""

    id: int
    body: str
    written_by: str
    """A name."""
    written_at: dt.datetime


def list_notes(session: Session, *, player_id: int, operator_id: int) -> list[NoteRow]:
    """The last hundred notes about a player, latest first."""
    rows = session.execute(
        select(PlayerNote.id, PlayerNote.body, Login.name, PlayerNote.written_at)
        .join(Login, Login.id == PlayerNote.written_by)
        .where(PlayerNote.player_id == player_id, PlayerNote.operator_id == operator_id)
        .order_by(PlayerNote.id.desc())
        .limit(LIMIT)
    )
    return [NoteRow(*row) for row in rows]
