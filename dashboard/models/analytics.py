"""Rollups: what the journals come to by day, so that a page on a year of entries reads a few rows.

They follow the journals by a mark for each balance: everything up to its sequence is counted, once. What is
younger is added from the entries when a page asks, and the whole can be made again from the entries.
"""

import datetime as dt
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Instant, one_of
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType, ContraAccount


class DailyTotal(Base):
    """An operator's day in one currency by change type and house account. Sums in minor units."""

    __tablename__ = "daily_totals"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operators.id"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    """In the operator's time zone."""
    change_type: Mapped[str] = mapped_column(primary_key=True)
    contra_account: Mapped[str] = mapped_column(primary_key=True)
    """That of the entry that was reversed, for a reversal."""
    entries: Mapped[int]
    real: Mapped[int]
    bonus: Mapped[int]
    credits: Mapped[int]
    """What raised balances, real and bonus; the rest lowered them."""

    __table_args__ = (
        one_of("change_type", ChangeType),
        one_of("contra_account", ContraAccount),
        CheckConstraint("entries > 0 AND credits >= 0", name="counts"),
    )


class DailyActivity(Base):
    """The same by who was in charge of the players and by their VIP level, both as of each entry."""

    __tablename__ = "daily_activity"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operators.id"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    agent_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0: nobody."""
    level: Mapped[str] = mapped_column(primary_key=True)
    change_type: Mapped[str] = mapped_column(primary_key=True)
    contra_account: Mapped[str] = mapped_column(primary_key=True)
    entries: Mapped[int]
    real: Mapped[int]
    bonus: Mapped[int]
    credits: Mapped[int]

    __table_args__ = (
        one_of("level", Level),
        one_of("change_type", ChangeType),
        one_of("contra_account", ContraAccount),
        CheckConstraint("entries > 0 AND credits >= 0", name="counts"),
    )


class HourlyTotal(Base):
    """An operator's hour in one currency by change type: what the last day and odd hours are drawn from."""

    __tablename__ = "hourly_totals"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operators.id"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[Instant] = mapped_column(primary_key=True)
    """Its beginning: a whole hour of UTC."""
    change_type: Mapped[str] = mapped_column(primary_key=True)
    contra_account: Mapped[str] = mapped_column(primary_key=True)
    entries: Mapped[int]
    real: Mapped[int]
    bonus: Mapped[int]
    credits: Mapped[int]

    __table_args__ = (
        one_of("change_type", ChangeType),
        one_of("contra_account", ContraAccount),
        CheckConstraint("entries > 0 AND credits >= 0", name="counts"),
    )


class DailyBalance(Base):
    """Where a balance was on a day on which it moved. Minor units; real money but `bonus_closing`."""

    __tablename__ = "daily_balances"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    operator_id: Mapped[int]
    opening: Mapped[int]
    closing: Mapped[int]
    low: Mapped[int]
    high: Mapped[int]
    """Lowest and highest that it stood at, the opening included."""
    bonus_closing: Mapped[int]
    entries: Mapped[int]

    __table_args__ = (
        # No foreign key: checking it would lock the balance, which is what everybody waits for.
        CheckConstraint(
            "low <= least(opening, closing) AND high >= greatest(opening, closing)", name="range"
        ),
        CheckConstraint("entries > 0", name="entries"),
        # An operator's day: how many moved, and by how much.
        Index(
            "ix_daily_balances_operator_id_day",
            "operator_id",
            "currency",
            "day",
            "player_id",
            postgresql_include=["opening", "closing"],
        ),
    )


class RollupMark(Base):
    """Up to which entry of a balance's journal the rollups hold it, and models have scored it."""

    __tablename__ = "rollup_marks"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    scored: Mapped[int] = mapped_column(server_default=text("0"))
    """What models have looked at; never more than is rolled up."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        CheckConstraint("scored BETWEEN 0 AND sequence", name="scored"),
        # What is to be scored.
        Index(
            "ix_rollup_marks_unscored", "player_id", "currency", postgresql_where=text("scored < sequence")
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class RollupPass(Base):
    """By which time zone an operator's days are counted, and when the rollups last held everything."""

    __tablename__ = "rollup_passes"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operators.id"), primary_key=True, autoincrement=False
    )
    timezone: Mapped[str]
    """Where the operator's is another one by now, its days are counted anew."""
    passed_at: Mapped[Instant | None]
    """The beginning of the last pass: what was committed by then is held. None: nothing is, yet."""


class FxRate(Base):
    """What a euro was worth in a currency on a day, as the source published it."""

    __tablename__ = "fx_rates"

    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    per_eur: Mapped[Decimal] = mapped_column(Numeric(20, 10))

    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("per_eur > 0", name="per_eur"),
    )
