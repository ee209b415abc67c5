"""What staff want done with a settled round, until another person has decided."""

from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class RoundRequestKind(StrEnum):
    """What is to become of the round."""

    VOID = "void"
    CORRECTION = "correction"


class RoundRequest(Base):
    """A settled round that somebody wants voided or corrected. Never deleted.

    What was asked for cannot be altered, nor a new one come decided (by grant); that nobody decides their
    own request is a CHECK.
    """

    __tablename__ = "round_requests"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    kind: Mapped[str]
    version: Mapped[int]
    """Of the settlement that the requester saw; another one makes it stale."""
    joker: Mapped[int | None] = mapped_column(SmallInteger)
    """What lay on the table, as a correction says; None for a void."""
    cards: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    requested_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    requested_at: Mapped[Instant]
    lapses_at: Mapped[Instant]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[str | None]
    ended_at: Mapped[Instant | None]

    __table_args__ = (
        one_of("kind", RoundRequestKind),
        CheckConstraint("state IN ('waiting', 'approved', 'declined', 'lapsed')", name="state"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint(
            "(kind = 'correction') = (joker IS NOT NULL) AND (joker IS NULL) = (cards IS NULL)"
            " AND joker BETWEEN 0 AND 51"
            " AND cardinality(cards) BETWEEN 1 AND 49 AND 0 <= ALL (cards) AND 51 >= ALL (cards)",
            name="cards",
        ),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("decided_by <> requested_by", name="second_person"),
        CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name="decision",
        ),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_at"),
        # One request about a round waits at a time.
        Index(
            "uq_round_requests_waiting", "round_id", unique=True, postgresql_where=text("state = 'waiting'")
        ),
        Index("ix_round_requests_inbox", "operator_id", "state", "requested_at", "id"),
        # What stands behind a settlement.
        Index("ix_round_requests_round_id", "round_id", "version"),
    )
