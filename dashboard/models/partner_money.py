"""What partners earn, as the desk and as the partner sees it; their accounts, statements and payouts.

What a partner may see stands in tables of its own (`partner_shown_*`, accounts, statements, payouts): the
partner's database role can read these, each under row-level security, and no real figure stands in them.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of
from dashboard.models.partner import CURRENCY, LossPolicy

ZERO = text("0")


class PartnerAccount(Base):
    """What a partner earned in one currency, as the rows have it. Written in the order of the partners."""

    __tablename__ = "partner_accounts"

    partner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[int]
    total: Mapped[int] = mapped_column(server_default=ZERO)
    """All earnings but the rejected ones."""
    pending: Mapped[int] = mapped_column(server_default=ZERO)
    """Of these, what waits for its approval."""
    approved: Mapped[int] = mapped_column(server_default=ZERO)
    """What approved statements made payable, also what has been paid since."""
    reserved: Mapped[int] = mapped_column(server_default=ZERO)
    """Of that, in payouts that are requested."""
    paid: Mapped[int] = mapped_column(server_default=ZERO)
    """Of that, paid out."""
    closed_through: Mapped[dt.date | None] = mapped_column(Date)
    """The first day of the last month that has a statement: no earning is written there any more."""

    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        CheckConstraint(CURRENCY, name="currency"),
        CheckConstraint("reserved >= 0 AND paid >= 0 AND reserved + paid <= approved", name="amounts"),
        CheckConstraint("extract(day FROM closed_through) = 1", name="closed_through"),
    )


class PartnerGameEarning(Base):
    """What one round brought a partner under one contract version, in real figures. Append-only.

    A correction is the next settlement version: its row holds the differences, so that the rows of a
    round always add up to what is right.
    """

    __tablename__ = "partner_game_earnings"

    id: Mapped[Id]
    partner_id: Mapped[int]
    contract_id: Mapped[int]
    operator_id: Mapped[int]
    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"))
    round_id: Mapped[int]
    settlement_version: Mapped[int]
    currency: Mapped[str]
    real_bets: Mapped[int]
    real_payouts: Mapped[int]
    real_profit: Mapped[int]
    share_bp: Mapped[int]
    rate_bp: Mapped[int]
    loss_policy: Mapped[str]
    settled_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        ForeignKeyConstraint(
            ["contract_id", "partner_id"], ["partner_contracts.id", "partner_contracts.partner_id"]
        ),
        ForeignKeyConstraint(
            ["round_id", "settlement_version"], ["round_settlements.round_id", "round_settlements.version"]
        ),
        UniqueConstraint("partner_id", "contract_id", "round_id", "currency", "settlement_version"),
        UniqueConstraint("id", "partner_id"),
        one_of("loss_policy", LossPolicy),
        CheckConstraint(CURRENCY, name="currency"),
        CheckConstraint("real_profit = real_bets - real_payouts", name="real_profit"),
        # What the version before had written; all earnings of a round.
        Index("ix_partner_game_earnings_round_id", "round_id", "settlement_version"),
        # A partner's months in real figures.
        Index(
            "ix_partner_game_earnings_partner_id_id",
            "partner_id",
            "id",
            postgresql_include=["real_bets", "real_payouts"],
        ),
    )


class EarningState(StrEnum):
    """Where an earning is on its way to be paid."""

    PENDING = "pending"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"


class PartnerShownEarning(Base):
    """The same earning as the partner sees it, and where it is on its way to be paid."""

    __tablename__ = "partner_shown_earnings"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    partner_id: Mapped[int]
    operator_id: Mapped[int]
    currency: Mapped[str]
    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"))
    round_id: Mapped[int]
    round_number: Mapped[int]
    settlement_version: Mapped[int]
    """From 2 on it is a correction."""
    day: Mapped[dt.date] = mapped_column(Date)
    """In the operator's zone: of the settlement, or the first one that no statement had closed by then."""
    settled_at: Mapped[Instant]
    players: Mapped[int]
    bets: Mapped[int]
    payouts: Mapped[int]
    profit: Mapped[int]
    earned: Mapped[int]
    is_open: Mapped[bool]
    """Whether the round may be seen by itself: enough of the partner's players, or the terms are known."""
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    approve_at: Mapped[Instant]
    """When the hold is over."""
    decided_by: Mapped[str | None]
    decided_at: Mapped[Instant | None]
    reason: Mapped[str | None]
    """Why it was rejected."""
    statement_id: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["id", "partner_id"], ["partner_game_earnings.id", "partner_game_earnings.partner_id"]
        ),
        ForeignKeyConstraint(
            ["statement_id", "partner_id", "currency"],
            ["partner_statements.id", "partner_statements.partner_id", "partner_statements.currency"],
        ),
        one_of("state", EarningState),
        CheckConstraint("profit = bets - payouts", name="profit"),
        CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decision",
        ),
        CheckConstraint(
            "(state = 'rejected') = (reason IS NOT NULL) AND length(reason) BETWEEN 1 AND 500", name="reason"
        ),
        CheckConstraint(
            "(state <> 'paid' OR statement_id IS NOT NULL)"
            " AND (statement_id IS NULL OR state IN ('approved', 'paid'))",
            name="statement_id",
        ),
        # The desk's list of a partner's earnings, the latest first.
        Index("ix_partner_shown_earnings_partner_id_id", "partner_id", "id"),
        # The partner's own, by day: however long ago a day is, its rounds stand beside each other.
        Index("ix_partner_shown_earnings_partner_id_day_id", "partner_id", "day", "id"),
        # What the worker approves.
        Index(
            "ix_partner_shown_earnings_approve_at", "approve_at", postgresql_where=text("state = 'pending'")
        ),
        # What waits, and what the next statement takes.
        Index(
            "ix_partner_shown_earnings_unstated",
            "partner_id",
            "currency",
            "state",
            "day",
            postgresql_where=text("statement_id IS NULL"),
        ),
        Index("ix_partner_shown_earnings_statement_id", "statement_id", "id"),
    )


class PeriodKind(StrEnum):
    """What the shown figures are summed over."""

    DAY = "day"
    MONTH = "month"
    GAME = "game"
    """One game in one month."""


class PartnerShownPeriod(Base):
    """Shown figures of a day, a month, or a month of one game, without what was rejected."""

    __tablename__ = "partner_shown_periods"

    partner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    starts: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    game_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0 unless it is of one game."""
    rounds: Mapped[int]
    players: Mapped[int]
    """Different ones, each counted once."""
    bets: Mapped[int]
    payouts: Mapped[int]
    profit: Mapped[int]
    earned: Mapped[int]
    is_named: Mapped[bool]
    """Whether the partner was told share and rate of all that is in it."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "currency"], ["partner_accounts.partner_id", "partner_accounts.currency"]
        ),
        one_of("kind", PeriodKind),
        CheckConstraint("(kind = 'game') = (game_id > 0)", name="game_id"),
        CheckConstraint("kind = 'day' OR extract(day FROM starts) = 1", name="starts"),
        CheckConstraint("players >= 0", name="players"),
        CheckConstraint("profit = bets - payouts", name="profit"),
    )


class PartnerPeriodPlayer(Base):
    """That a player was active in a period, so that each is counted once. No partner can read it."""

    __tablename__ = "partner_period_players"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    partner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    starts: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    game_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    __table_args__ = (
        ForeignKeyConstraint(["player_id"], ["players.id"]),
        ForeignKeyConstraint(
            ["partner_id", "currency"], ["partner_accounts.partner_id", "partner_accounts.currency"]
        ),
        one_of("kind", PeriodKind),
    )


class StatementState(StrEnum):
    """Where a month's statement is. A month without one is open."""

    CLOSED = "closed"
    """Waits for a second person."""
    DECLINED = "declined"
    """The month is open again."""
    PAYABLE = "payable"
    PAID = "paid"
    ROLLED_OVER = "rolled_over"
    """Below the minimum, or below zero: the next one begins with it."""


class PartnerStatement(Base):
    """What a partner is owed for a month in one currency, as it was closed. Shown figures."""

    __tablename__ = "partner_statements"

    id: Mapped[Id]
    partner_id: Mapped[int]
    operator_id: Mapped[int]
    currency: Mapped[str]
    month: Mapped[dt.date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(server_default=text("'closed'"))
    rows: Mapped[int]
    """How many earnings it holds."""
    bets: Mapped[int]
    payouts: Mapped[int]
    profit: Mapped[int]
    opening: Mapped[int]
    """Carried over from the statement before."""
    earned: Mapped[int]
    written_off: Mapped[int]
    """What a loss was raised by, to zero."""
    closing: Mapped[int]
    minimum: Mapped[int]
    payable: Mapped[int]
    carried: Mapped[int]
    """Carried over to the next one."""
    closed_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    closed_at: Mapped[Instant]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[str | None]
    paid_at: Mapped[Instant | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "currency"], ["partner_accounts.partner_id", "partner_accounts.currency"]
        ),
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        UniqueConstraint("id", "partner_id", "currency"),
        one_of("state", StatementState),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
        CheckConstraint("profit = bets - payouts", name="profit"),
        CheckConstraint("opening + earned + written_off = closing", name="closing"),
        CheckConstraint(
            "closing = payable + carried AND payable >= 0 AND (payable = 0 OR carried = 0)"
            " AND (payable = 0 OR payable >= minimum)",
            name="payable",
        ),
        CheckConstraint("written_off >= 0 AND minimum >= 0 AND rows >= 0", name="amounts"),
        # Maker is not checker, whatever a page or a forged post says.
        CheckConstraint("decided_by <> closed_by", name="second_person"),
        CheckConstraint(
            "(state = 'closed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name="decision",
        ),
        CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_at"),
        CheckConstraint(
            "state IN ('closed', 'declined') OR (state = 'rolled_over') = (payable = 0)", name="state_payable"
        ),
        # One statement of a month, unless it was declined.
        Index(
            "uq_partner_statements_month",
            "partner_id",
            "currency",
            "month",
            unique=True,
            postgresql_where=text("state <> 'declined'"),
        ),
        Index("ix_partner_statements_inbox", "operator_id", "state", "month", "id"),
    )


class PartnerStatementLine(Base):
    """What a statement holds of one contract version."""

    __tablename__ = "partner_statement_lines"

    statement_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    contract_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    partner_id: Mapped[int]
    currency: Mapped[str]
    loss_policy: Mapped[str]
    rows: Mapped[int]
    bets: Mapped[int]
    payouts: Mapped[int]
    profit: Mapped[int]
    earned: Mapped[int]
    corrected: Mapped[int]
    """Of what was earned, by corrections of rounds that had been settled before."""
    written_off: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(
            ["statement_id", "partner_id", "currency"],
            ["partner_statements.id", "partner_statements.partner_id", "partner_statements.currency"],
        ),
        one_of("loss_policy", LossPolicy),
        CheckConstraint("profit = bets - payouts", name="profit"),
        CheckConstraint(
            "written_off >= 0 AND (written_off = 0 OR loss_policy = 'period')", name="written_off"
        ),
    )


class PayoutState(StrEnum):
    """Where a payout is. While it is requested or approved its amount is reserved."""

    REQUESTED = "requested"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"


class PartnerPayout(Base):
    """Money that a partner wants to be paid."""

    __tablename__ = "partner_payouts"

    id: Mapped[Id]
    partner_id: Mapped[int]
    operator_id: Mapped[int]
    currency: Mapped[str]
    amount: Mapped[int]
    payout_details: Mapped[str]
    """Where it goes, as the partner had written it then."""
    state: Mapped[str] = mapped_column(server_default=text("'requested'"))
    idempotency_key: Mapped[str]
    requested_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    requested_at: Mapped[Instant]
    approved_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    approved_at: Mapped[Instant | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    """Who paid or rejected it."""
    ended_at: Mapped[Instant | None]
    reference: Mapped[str | None]
    """Of the payment."""
    reason: Mapped[str | None]
    """Of the rejection."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "currency"], ["partner_accounts.partner_id", "partner_accounts.currency"]
        ),
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        UniqueConstraint("partner_id", "idempotency_key"),
        one_of("state", PayoutState),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint("approved_by <> requested_by", name="second_person"),
        CheckConstraint(
            "state <> 'paid' OR (ended_by <> approved_by AND ended_by <> requested_by)", name="payer"
        ),
        CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL) AND (state <> 'requested' OR approved_by IS NULL)"
            " AND (state NOT IN ('approved', 'paid') OR approved_by IS NOT NULL)",
            name="approved",
        ),
        CheckConstraint(
            "(state IN ('paid', 'rejected')) = (ended_at IS NOT NULL)"
            " AND (ended_at IS NULL) = (ended_by IS NULL)",
            name="ended",
        ),
        CheckConstraint(
            "(state = 'paid') = (reference IS NOT NULL) AND length(reference) BETWEEN 1 AND 100",
            name="reference",
        ),
        CheckConstraint(
            "(state = 'rejected') = (reason IS NOT NULL) AND length(reason) BETWEEN 1 AND 500", name="reason"
        ),
        Index("ix_partner_payouts_inbox", "operator_id", "state", "requested_at", "id"),
        Index("ix_partner_payouts_partner_id_id", "partner_id", "id"),
    )
