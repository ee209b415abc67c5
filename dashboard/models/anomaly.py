"""Anomalies: the models that look at entries, what they found, what people said of it, and odd hours."""

from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class ModelKind(StrEnum):
    """What a model was fitted on."""

    UNLABELLED = "unlabelled"
    MARKED = "marked"


class Mark(StrEnum):
    """What a person said of an anomaly."""

    RIGHT = "right"
    """Something was wrong with the entry."""
    WRONG = "wrong"
    """The entry was as it should be."""


class SeriesName(StrEnum):
    """What is watched by the hour."""

    DEPOSITS = "deposits"
    WITHDRAWALS = "withdrawals"
    STAKES = "stakes"
    PAYOUTS = "payouts"
    ENTRIES = "entries"


class AnomalyModel(Base):
    """A fitted model of an operator's entries. The newest one scores; of the others stays what they were."""

    __tablename__ = "anomaly_models"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    kind: Mapped[str]
    fitted_at: Mapped[Instant]
    entries: Mapped[int]
    """How many it was fitted on."""
    marked: Mapped[int]
    """How many of them people had marked."""
    threshold: Mapped[int] = mapped_column(SmallInteger)
    """From this score on an entry is an anomaly."""
    content: Mapped[bytes] = mapped_column(LargeBinary)
    """`services/anomaly_model.py` says how; empty of old ones (`anomaly_fitting.CONTENTS_KEPT`)."""
    metrics: Mapped[str] = mapped_column(server_default=text("'{}'"))
    """JSON text: what judging it on the last days gave."""

    __table_args__ = (
        UniqueConstraint("id", "operator_id"),
        one_of("kind", ModelKind),
        CheckConstraint("entries > 0 AND marked BETWEEN 0 AND entries", name="entries"),
        CheckConstraint("threshold BETWEEN 0 AND 100", name="threshold"),
        CheckConstraint("jsonb_typeof(metrics::jsonb) = 'object'", name="metrics"),
        Index("ix_anomaly_models_operator_id_id", "operator_id", "id"),
    )


class Anomaly(Base):
    """An entry that a model finds odd, why, and what a person said of it."""

    __tablename__ = "anomalies"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    model_id: Mapped[int]
    score: Mapped[int] = mapped_column(SmallInteger)
    """0 to 100."""
    reasons: Mapped[str]
    """JSON text: a list of [feature, what it says], the leading one first."""
    happened_at: Mapped[Instant]
    """When the entry was made."""
    found_at: Mapped[Instant]
    mark: Mapped[str | None]
    marked_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    marked_at: Mapped[Instant | None]
    note: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        ForeignKeyConstraint(
            ["model_id", "operator_id"], ["anomaly_models.id", "anomaly_models.operator_id"]
        ),
        one_of("mark", Mark),
        CheckConstraint("score BETWEEN 0 AND 100", name="score"),
        CheckConstraint("jsonb_typeof(reasons::jsonb) = 'array'", name="reasons"),
        CheckConstraint(
            "(mark IS NULL) = (marked_by IS NULL) AND (mark IS NULL) = (marked_at IS NULL)", name="marked"
        ),
        CheckConstraint("length(note) BETWEEN 1 AND 500", name="note"),
        # The list, latest first.
        Index("ix_anomalies_recent", "operator_id", "happened_at", "player_id", "currency", "sequence"),
        # What nobody has looked at.
        Index("ix_anomalies_unmarked", "operator_id", "happened_at", postgresql_where=text("mark IS NULL")),
    )


class SeriesAlert(Base):
    """An hour in which an operator's total was far from what that hour of the week usually brings."""

    __tablename__ = "series_alerts"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    series: Mapped[str]
    currency: Mapped[str]
    """Empty for what is counted over all currencies."""
    hour: Mapped[Instant]
    """Its beginning."""
    value: Mapped[int]
    expected: Mapped[int]
    deviation: Mapped[int]
    """Robust: 1.4826 × the median absolute deviation; all three in minor units, or entries."""
    raised_at: Mapped[Instant]
    seen_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    seen_at: Mapped[Instant | None]
    note: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("operator_id", "series", "currency", "hour"),
        one_of("series", SeriesName),
        CheckConstraint("deviation >= 0", name="deviation"),
        CheckConstraint("(seen_by IS NULL) = (seen_at IS NULL)", name="seen"),
        CheckConstraint("length(note) BETWEEN 1 AND 500", name="note"),
        Index("ix_series_alerts_operator_id_hour", "operator_id", "hour", "id"),
    )
