"""What `import legacy-wallets` made: which run, which players, and what each old row became.

Append-only for the application; taking a run back, which only the owner can, removes its rows again.
"""

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant


class LegacyRun(Base):
    """One set of old tables that moved in. A run that was stopped goes on under the same row."""

    __tablename__ = "legacy_runs"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    folder: Mapped[str]
    """The name of the folder that the tables lay in."""
    digest: Mapped[str]
    """First 16 hexadecimal digits of a SHA-256 over all its files."""
    begun_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("operator_id", "digest"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("digest ~ '^[0-9a-f]{16}$'", name="digest"),
    )


class LegacyPlayer(Base):
    """A player whom a run made, with everything that hangs on the wallet as it was then."""

    __tablename__ = "legacy_players"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    run_id: Mapped[int]
    made: Mapped[str]
    """JSON text by which taking back sees whether anything has moved since."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        ForeignKeyConstraint(["run_id", "operator_id"], ["legacy_runs.id", "legacy_runs.operator_id"]),
        CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name="made"),
        # Whom a run made.
        Index("ix_legacy_players_run_id", "run_id"),
    )


class LegacyRow(Base):
    """A row of an old table: its id there, what it became, and those columns that have no other home."""

    __tablename__ = "legacy_rows"

    player_id: Mapped[int] = mapped_column(ForeignKey("legacy_players.player_id"), primary_key=True)
    old_table: Mapped[str] = mapped_column(primary_key=True)
    old_id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int]
    """Of its file, where it began."""
    digest: Mapped[Digest]
    """SHA-256 over its cells: a row that has changed since is not the one that moved in."""
    kept: Mapped[str] = mapped_column(server_default=text("'{}'"))
    """JSON text: column and cell, as they stood in the file."""
    currency: Mapped[str | None]
    """Of a balance: which of the player's it is."""
    bonus_id: Mapped[int | None]
    """Of a bonus: the grant that it became."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "bonus_id"], ["bonuses.player_id", "bonuses.id"]),
        CheckConstraint(
            "old_table IN ('users', 'wallets', 'balances', 'vip_infos', 'player_bonuses')", name="old_table"
        ),
        CheckConstraint("line > 0", name="line"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("jsonb_typeof(kept::jsonb) = 'object'", name="kept"),
    )
