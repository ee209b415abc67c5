"""What other systems want to know."""

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant


class OutgoingEvent(Base):
    """Something other systems want to know, in the order in which it happened. Append-only."""

    __tablename__ = "outgoing_events"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    player_id: Mapped[int | None]
    kind: Mapped[str]
    """A noun and what becomes of it, such as `points.expiring`."""
    payload: Mapped[str]
    """JSON text: an object."""
    happened_at: Mapped[Instant]

    __table_args__ = (
        CheckConstraint("kind ~ '^[a-z_]+[.][a-z_]+$'", name="kind"),
        CheckConstraint("jsonb_typeof(payload::jsonb) = 'object'", name="payload"),
        Index("ix_outgoing_events_operator_id_id", "operator_id", "id"),
    )
