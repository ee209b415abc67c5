"""Partners: who they are, what was agreed with them, and whose players are whose."""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
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

CURRENCY = "currency ~ '^[A-Z]{3}$'"
"""The CHECK of a currency's code."""


class PartnerStatus(StrEnum):
    """What a partner can do: sign in and earn, only earn, or neither."""

    PENDING = "pending"
    """Neither yet: a contract is being agreed."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Earns, but cannot sign in."""
    BLOCKED = "blocked"


EARNING_STATUSES = (PartnerStatus.ACTIVE, PartnerStatus.SUSPENDED)


class LossPolicy(StrEnum):
    """What becomes of rounds in which the players won."""

    PER_ROUND = "per_round"
    """A round with no profit earns nothing, and takes nothing."""
    PERIOD = "period"
    """Rounds add up with their sign; a statement below zero becomes zero."""
    CARRY = "carry"
    """A statement below zero is taken to the next one."""


class StakesCounted(StrEnum):
    """Which part of the stakes a partner earns from."""

    REAL = "real"
    """What was staked and paid as real money."""
    WHOLE = "whole"
    """Bonus money too."""


class Disclosure(StrEnum):
    """What a partner is told about the terms."""

    BASIS = "basis"
    """That there is an agreed share, not how large it is."""
    TERMS = "terms"
    """Share and rate."""


class Partner(Base):
    """Somebody who refers players and earns from what they play."""

    __tablename__ = "partners"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    code: Mapped[str]
    """Stands in the referral link."""
    status: Mapped[str]
    """As the last of the status changes has it."""
    payout_details: Mapped[str] = mapped_column(server_default=text("''"))
    """Where payouts go; the partner writes it."""
    created_by: Mapped[str]
    created_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("id", "operator_id"),
        UniqueConstraint("operator_id", "code"),
        one_of("status", PartnerStatus),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name"),
        CheckConstraint("code ~ '^[a-z0-9](-?[a-z0-9]){2,39}$'", name="code"),
        CheckConstraint("length(payout_details) <= 1000", name="payout_details"),
    )


class PartnerStatusChange(Base):
    """When a partner's status changed, and why. Append-only: whether a round earned is asked of it."""

    __tablename__ = "partner_status_changes"

    id: Mapped[Id]
    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"))
    since: Mapped[Instant]
    status: Mapped[str]
    reason: Mapped[str]
    made_by: Mapped[str]

    __table_args__ = (
        one_of("status", PartnerStatus),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        Index("ix_partner_status_changes_partner_id_since", "partner_id", "since", "id"),
    )


class PartnerContract(Base):
    """One version of what was agreed. Never edited: the next version holds from its date."""

    __tablename__ = "partner_contracts"

    id: Mapped[Id]
    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"))
    version: Mapped[int]
    share_bp: Mapped[int]
    """Hundredths of a percent of the real figures that are shown: 5000 is 50 %."""
    rate_bp: Mapped[int]
    """Hundredths of a percent of the shown profit that are earned: 1000 is 10 %."""
    loss_policy: Mapped[str] = mapped_column(server_default=text("'period'"))
    counts: Mapped[str] = mapped_column(server_default=text("'real'"))
    disclosure: Mapped[str] = mapped_column(server_default=text("'basis'"))
    hold_days: Mapped[int] = mapped_column(server_default=text("7"))
    """How long an earning waits before it is approved by itself."""
    valid_from: Mapped[dt.date] = mapped_column(Date)
    """In the operator's zone: rounds opened on that day or later, for players referred by then or later."""
    made_by: Mapped[str]
    made_at: Mapped[Instant]
    accepted_at: Mapped[Instant | None]
    """When the partner took these terms for the players referred before them, too."""
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))

    __table_args__ = (
        UniqueConstraint("partner_id", "version"),
        UniqueConstraint("id", "partner_id"),
        one_of("loss_policy", LossPolicy),
        one_of("counts", StakesCounted),
        one_of("disclosure", Disclosure),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("share_bp BETWEEN 1 AND 10000", name="share_bp"),
        CheckConstraint("rate_bp BETWEEN 1 AND 10000", name="rate_bp"),
        CheckConstraint("hold_days BETWEEN 0 AND 90", name="hold_days"),
        CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="accepted"),
    )


class PartnerMinimum(Base):
    """What a statement must come to in one currency to be paid, by contract."""

    __tablename__ = "partner_minimums"

    contract_id: Mapped[int] = mapped_column(
        ForeignKey("partner_contracts.id"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    """Minor units."""

    __table_args__ = (
        CheckConstraint(CURRENCY, name="currency"),
        CheckConstraint("amount >= 0", name="amount"),
    )


class Referral(Base):
    """Whose player somebody is from a moment on; None: nobody's. Append-only."""

    __tablename__ = "referrals"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[Instant] = mapped_column(primary_key=True)
    operator_id: Mapped[int]
    partner_id: Mapped[int | None]
    set_by: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["players.id", "players.operator_id"]),
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        Index("ix_referrals_partner_id_since", "partner_id", "since"),
    )
