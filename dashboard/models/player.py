"""Players: whose money it is, by which handles they are found, and what staff noted about them."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class Player(Base):
    """A customer of the operator. Personal data stand here alone, outside the hash chain."""

    __tablename__ = "players"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    external_id: Mapped[str]
    """The operator's own number for this player."""
    name: Mapped[str]
    email: Mapped[str | None]
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    """The member of staff in charge."""
    country: Mapped[str | None]
    created_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("length(external_id) BETWEEN 1 AND 100", name="external_id"),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        # The player list, newest first.
        Index("ix_players_operator_id_id", "operator_id", "id"),
        # The player list by name.
        Index("ix_players_operator_id_name", "operator_id", text("lower(name)"), "id"),
        # The player list of one agent.
        Index("ix_players_agent_id_id", "agent_id", "id"),
        # Search by the beginning of any word of a name.
        Index("ix_players_name_words", text("to_tsvector('simple', name)"), postgresql_using="gin"),
    )


class HandleKind(StrEnum):
    """By what a player can be known to an operator, each once."""

    EXTERNAL_ID = "external_id"
    EMAIL = "email"


class PlayerHandle(Base):
    """One external id or e-mail and whose it is.

    Unique keys of player-owned tables begin with the player, so uniqueness within an operator
    stands here; and searching by the beginning of a handle is one range of the primary key.
    """

    __tablename__ = "player_handles"

    operator_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(primary_key=True)
    """In lower case."""
    player_id: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["players.id", "players.operator_id"]),
        one_of("kind", HandleKind),
        CheckConstraint("handle = lower(handle) AND handle <> ''", name="handle"),
        # Search by the beginning of a handle, whatever the collation.
        Index(
            "ix_player_handles_prefix",
            "operator_id",
            "handle",
            postgresql_ops={"handle": "text_pattern_ops"},
        ),
        Index("ix_player_handles_player_id", "player_id"),
    )


class PlayerNote(Base):
    """What a member of staff wrote about a player. Append-only."""

    __tablename__ = "player_notes"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    body: Mapped[str]
    written_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    written_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["players.id", "players.operator_id"]),
        CheckConstraint("length(body) BETWEEN 1 AND 2000", name="body"),
    )
