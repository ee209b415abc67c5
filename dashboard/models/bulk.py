"""Bulk: many changes typed or uploaded at once, and what became of each row."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant, one_of


class BulkMode(StrEnum):
    """Whether one bad row stops all of them."""

    ALL_OR_NOTHING = "all_or_nothing"
    BEST_EFFORT = "best_effort"


class BulkState(StrEnum):
    """Where a run is."""

    CHECKING = "checking"
    """Its rows are read, and being rehearsed."""
    CHECKED = "checked"
    """Every row has been rehearsed; nothing is posted."""
    POSTING = "posting"
    DONE = "done"
    CANCELLED = "cancelled"


class BulkRowState(StrEnum):
    """What became of one row."""

    READ = "read"
    """Not rehearsed yet."""
    READY = "ready"
    """Rehearsed, with nothing said against it."""
    REFUSED = "refused"
    POSTED = "posted"
    WAITING = "waiting"
    """It waits for a second person, as a change request."""


class BulkRun(Base):
    """One list of changes, from its check to its end."""

    __tablename__ = "bulk_runs"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    made_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    made_at: Mapped[Instant]
    mode: Mapped[str | None]
    """Chosen when posting begins."""
    state: Mapped[str] = mapped_column(server_default=text("'checking'"))
    name: Mapped[str]
    """The name of the file, or `Pasted list`."""
    digest: Mapped[Digest]
    """SHA-256 over all that its rows say: the same list a second time has the same one."""
    amounts_meant: Mapped[bool] = mapped_column(server_default=text("false"))
    """The maker has confirmed the unusually large amounts."""
    started_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]

    __table_args__ = (
        one_of("mode", BulkMode),
        one_of("state", BulkState),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("state NOT IN ('posting', 'done') OR mode IS NOT NULL", name="mode_chosen"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("(state IN ('done', 'cancelled')) = (ended_at IS NOT NULL)", name="ended_at"),
        # The list of runs, newest first.
        Index("ix_bulk_runs_operator_id_id", "operator_id", "id"),
        # Whether the same list was posted before.
        Index("ix_bulk_runs_operator_id_digest", "operator_id", "digest"),
    )


class BulkRow(Base):
    """One row as it was typed, what it was read as, and what became of it."""

    __tablename__ = "bulk_rows"

    run_id: Mapped[int] = mapped_column(ForeignKey("bulk_runs.id"), primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    typed: Mapped[str]
    """The cells as they were typed, with tabs between them: player, amount, currency, type, reason."""
    player_id: Mapped[int | None]
    currency: Mapped[str | None]
    change_type: Mapped[str | None]
    real_delta: Mapped[int | None]
    reason: Mapped[str | None]
    state: Mapped[str]
    message: Mapped[str | None]
    """Why it was refused."""
    waits: Mapped[bool] = mapped_column(server_default=text("false"))
    """The rehearsal says that a second person will be asked."""
    largest: Mapped[int | None]
    """The largest amount before, in minor units, where this one is unusually larger; NULL elsewhere."""
    real_before: Mapped[int | None]
    """As rehearsed; of a posted row as it was. In minor units."""
    real_after: Mapped[int | None]
    sequence: Mapped[int | None]
    request_id: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(["player_id"], ["players.id"]),
        one_of("state", BulkRowState),
        CheckConstraint("line > 0", name="line"),
        CheckConstraint("(state = 'posted') = (sequence IS NOT NULL)", name="sequence"),
        CheckConstraint("(state = 'waiting') = (request_id IS NOT NULL)", name="request_id"),
        CheckConstraint("state <> 'refused' OR message IS NOT NULL", name="message"),
        # What a run still has to do.
        Index("ix_bulk_rows_ready", "run_id", "line", postgresql_where=text("state = 'ready'")),
    )
