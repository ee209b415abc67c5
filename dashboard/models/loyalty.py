"""Loyalty: a programme and its tiers, members with their tiers and cards, and what was told of them.

What members have, in points, stands in `points`.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant, one_of

ZERO = text("0")


class RefundPolicy(StrEnum):
    """Where points go that come back to a batch which has expired meanwhile."""

    GRACE = "grace"
    """Into a new batch of some days."""
    ORIGINAL = "original"
    """Into their batch, where they lapse."""
    EXTEND = "extend"
    """Into their batch, which is valid for some days again."""


class TierLoss(StrEnum):
    """Where a member goes whose payments do not keep the tier."""

    ONE_STEP = "one_step"
    QUALIFYING = "qualifying"


class LoyaltyStatus(StrEnum):
    """What a loyalty wallet takes: everything, everything but spending, or nothing any more."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class TierChange(StrEnum):
    """How a member came to a tier, or to none."""

    NEW = "new"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    RENEWAL = "renewal"
    MANUAL = "manual"


class LoyaltyProgramme(Base):
    """What an operator's loyalty programme is run by; one for each operator, in its home currency."""

    __tablename__ = "loyalty_programmes"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("operators.id"), primary_key=True, autoincrement=False
    )
    conversion_points: Mapped[int | None]
    """So many points become `conversion_amount` minor units of real money; none: they never do."""
    conversion_amount: Mapped[int | None]
    refund_policy: Mapped[str] = mapped_column(server_default=text("'grace'"))
    grace_days: Mapped[int] = mapped_column(SmallInteger, server_default=text("30"))
    tier_loss: Mapped[str] = mapped_column(server_default=text("'one_step'"))
    approval_points: Mapped[int] = mapped_column(server_default=text("500"))
    """Adjustments of one player by one person on one day that move more need a second person."""

    __table_args__ = (
        CheckConstraint(
            "(conversion_points IS NULL) = (conversion_amount IS NULL)"
            " AND conversion_points > 0 AND conversion_amount > 0",
            name="conversion",
        ),
        one_of("refund_policy", RefundPolicy),
        CheckConstraint("grace_days BETWEEN 1 AND 365", name="grace_days"),
        one_of("tier_loss", TierLoss),
        CheckConstraint("approval_points >= 0", name="approval_points"),
    )


class LoyaltyTier(Base):
    """A tier. Its order is that of its minimum payment: a second order could only contradict it."""

    __tablename__ = "loyalty_tiers"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("loyalty_programmes.operator_id"))
    code: Mapped[str]
    name: Mapped[str]
    minimum_payment: Mapped[int]
    """In minor units of the home currency; the least payment that reaches the tier."""
    points: Mapped[int]
    """Credited for that payment. Other payments get as much per unit."""
    discount_bp: Mapped[int] = mapped_column(SmallInteger)
    """On services, in hundredths of a percent."""
    validity_months: Mapped[int] = mapped_column(SmallInteger)
    """Of the tier, and of the points that are loaded in it."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether it can be reached. Whoever is in a retired one stays until it ends."""

    __table_args__ = (
        UniqueConstraint("operator_id", "code"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("code ~ '^[a-z0-9][a-z0-9-]{0,19}$'", name="code"),
        CheckConstraint("length(name) BETWEEN 1 AND 40", name="name"),
        CheckConstraint("minimum_payment > 0 AND points > 0", name="gives"),
        CheckConstraint("discount_bp BETWEEN 0 AND 10000", name="discount_bp"),
        CheckConstraint("validity_months BETWEEN 1 AND 120", name="validity_months"),
        Index(
            "uq_loyalty_tiers_minimum_payment",
            "operator_id",
            "minimum_payment",
            unique=True,
            postgresql_where=text("is_active"),
        ),
    )


class LoyaltyWallet(Base):
    """A member's points: the sums of the batches, the tier, and the head of the journal's hash chain."""

    __tablename__ = "loyalty_wallets"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    status_reason: Mapped[str | None]
    """Why it was suspended or closed."""
    status_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    status_at: Mapped[Instant | None]
    tier_id: Mapped[int | None]
    discount_bp: Mapped[int] = mapped_column(SmallInteger, server_default=ZERO)
    """As the tier gave it when the member came to it, or renewed it."""
    tier_valid_until: Mapped[dt.date | None] = mapped_column(Date)
    """The last day, in the operator's time zone."""
    balance: Mapped[int] = mapped_column(server_default=ZERO)
    loaded: Mapped[int] = mapped_column(server_default=ZERO)
    redeemed: Mapped[int] = mapped_column(server_default=ZERO)
    """For services and for real money, less what was refunded."""
    expired: Mapped[int] = mapped_column(server_default=ZERO)
    reversed: Mapped[int] = mapped_column(server_default=ZERO)
    """Taken back unused: the payment was refunded, adjusted away, paid back at closing, or moved into a
    batch of grace."""
    refunded: Mapped[int] = mapped_column(server_default=ZERO)
    """Given back for cancelled services, ever."""
    owed: Mapped[int] = mapped_column(server_default=ZERO)
    """Points of refunded payments that had been used already; the next loads pay them."""
    amount_paid: Mapped[int] = mapped_column(server_default=ZERO)
    """For all loads, less refunds; minor units of the home currency."""
    batches: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    """How many there are: the number of the last one."""
    version: Mapped[int] = mapped_column(server_default=ZERO)
    """How many entries the journal has: the sequence of the last one."""
    head: Mapped[Digest] = mapped_column(server_default=text("decode(repeat('00', 32), 'hex')"))
    """Hash of the last entry; 32 zero bytes before the first."""
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        ForeignKeyConstraint(["tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]),
        UniqueConstraint("operator_id", "player_id"),
        one_of("status", LoyaltyStatus),
        CheckConstraint(
            "status = 'active' OR (coalesce(status_reason, '') <> '' AND status_at IS NOT NULL)",
            name="status_reason",
        ),
        CheckConstraint("status <> 'closed' OR (balance = 0 AND tier_id IS NULL)", name="closed"),
        CheckConstraint(
            "(tier_id IS NULL) = (tier_valid_until IS NULL) AND (tier_id IS NOT NULL OR discount_bp = 0)",
            name="tier",
        ),
        CheckConstraint("discount_bp BETWEEN 0 AND 10000", name="discount_bp"),
        CheckConstraint(
            "balance >= 0 AND loaded >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0"
            " AND refunded >= 0 AND owed >= 0 AND amount_paid >= 0",
            name="sums",
        ),
        CheckConstraint("loaded = balance + redeemed + expired + reversed", name="adds_up"),
        CheckConstraint("batches >= 0 AND version >= 0", name="counts"),
        CheckConstraint("octet_length(head) = 32", name="head"),
        # Members by tier, and the list of them.
        Index("ix_loyalty_wallets_operator_id_tier_id", "operator_id", "tier_id", "player_id"),
        # Who is suspended or closed, and who owes points: few.
        Index(
            "ix_loyalty_wallets_not_active",
            "operator_id",
            "status",
            "player_id",
            postgresql_where=text("status <> 'active'"),
        ),
        Index("ix_loyalty_wallets_owed", "operator_id", "player_id", postgresql_where=text("owed > 0")),
        # Whose tier ends next.
        Index(
            "ix_loyalty_wallets_tier_valid_until",
            "operator_id",
            "tier_valid_until",
            postgresql_where=text("tier_id IS NOT NULL"),
        ),
        # Who has the most, and the fewest.
        Index("ix_loyalty_wallets_balance", "operator_id", "balance", "player_id"),
        # Members in the order in which their tiers end, and behind them who is in none.
        Index(
            "ix_loyalty_wallets_tier_ends",
            "operator_id",
            text("COALESCE(tier_valid_until, '9999-12-31'::date)"),
            "player_id",
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class TierMembers(Base):
    """How many members of an operator are in a tier: all rows of that tier together.

    Whoever becomes a member or comes to another tier adds rows of their own, so that nobody waits for
    anybody; the worker makes one of them (`services/loyalty_sums.py`).
    """

    __tablename__ = "tier_members"

    # No foreign keys: checking them would lock the tier for every member who comes or goes.
    operator_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tier_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0: none; closed wallets, too."""
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    members: Mapped[int]
    """Negative: so many have left."""


class TierHistory(Base):
    """Each time that a member came to a tier, kept it, or lost it. Append-only."""

    __tablename__ = "tier_history"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    sequence: Mapped[int]
    """Of the transfer_tier entry."""
    previous_tier_id: Mapped[int | None]
    tier_id: Mapped[int | None]
    change: Mapped[str]
    valid_until: Mapped[dt.date | None] = mapped_column(Date)
    reason: Mapped[str]
    changed_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "sequence"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        ForeignKeyConstraint(
            ["previous_tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]
        ),
        ForeignKeyConstraint(["tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]),
        UniqueConstraint("player_id", "sequence"),
        one_of("change", TierChange),
        CheckConstraint(
            "CASE change WHEN 'new' THEN previous_tier_id IS NULL AND tier_id IS NOT NULL"
            " WHEN 'renewal' THEN tier_id = previous_tier_id AND tier_id IS NOT NULL"
            " WHEN 'manual' THEN true"
            " ELSE previous_tier_id IS NOT NULL AND tier_id IS DISTINCT FROM previous_tier_id END",
            name="steps",
        ),
        CheckConstraint("(tier_id IS NULL) = (valid_until IS NULL)", name="valid_until"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    )


class LoyaltyCard(Base):
    """A card that an operator has printed for a member."""

    __tablename__ = "loyalty_cards"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    number: Mapped[str]
    """Digits, the last of which is the check digit (Luhn); a card from elsewhere keeps its own number."""
    tier_id: Mapped[int | None]
    issued_on: Mapped[dt.date] = mapped_column(Date)
    expires_on: Mapped[dt.date] = mapped_column(Date)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        ForeignKeyConstraint(["tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]),
        CheckConstraint("number ~ '^[A-Za-z0-9-]{4,40}$'", name="number"),
        CheckConstraint("expires_on >= issued_on", name="expires_on"),
        Index("uq_loyalty_cards_number", "operator_id", "number", unique=True),
        # One card of a member is in use at a time.
        Index("uq_loyalty_cards_active", "player_id", unique=True, postgresql_where=text("is_active")),
    )


class LoyaltyNotice(Base):
    """What staff and others were told about a member before it happened: each once. Append-only."""

    __tablename__ = "loyalty_notices"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """`points` or `tier`."""
    ends_on: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    """The last day of the points or of the tier."""
    days: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    """How many before it."""
    operator_id: Mapped[int]
    noticed_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        CheckConstraint(
            "subject = 'points' AND days IN (1, 7, 30) OR subject = 'tier' AND days = 30", name="days"
        ),
    )
