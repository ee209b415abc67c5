"""Loyalty: an operator's programme and tiers, and what each member has, in points.

Points are whole numbers. Of a member's points nothing is lost: each batch is what remains of it, was
redeemed, expired, or was reversed; a member's wallet is the sum of the batches; every move is an entry of a
chained journal, and allocations say which entry took how many points from which batch.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
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


class PointsKind(StrEnum):
    """Why points moved."""

    LOAD = "load"
    REDEEM = "redeem"
    REFUND_SERVICE = "refund_service"
    REFUND_WALLET = "refund_wallet"
    EXPIRE = "expire"
    ADJUSTMENT = "adjustment"
    CONVERT = "convert"
    TRANSFER_TIER = "transfer_tier"
    REVERSAL = "reversal"
    """A load whose payment was given back."""


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
        {"postgresql_with": {"fillfactor": "70"}},
    )


class LoyaltyEntry(Base):
    """One move of one member's points. Append-only: a mistake is mended by another entry.

    The sequence is the wallet's version after it, so a journal has no gap, and every column but the
    generated ones is under the hash (`services/chain.py`).
    """

    __tablename__ = "loyalty_entries"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    kind: Mapped[str]
    base_points: Mapped[int]
    bonus_points: Mapped[int]
    """Both with the sign of the entry."""
    points: Mapped[int] = mapped_column(Computed("base_points + bonus_points", persisted=True))
    balance_after: Mapped[int]
    balance_before: Mapped[int] = mapped_column(
        Computed("balance_after - base_points - bonus_points", persisted=True)
    )
    invoice: Mapped[str | None]
    """Its number elsewhere."""
    payment: Mapped[str | None]
    """Its number elsewhere."""
    payment_mode: Mapped[str | None]
    payment_amount: Mapped[int | None]
    """Minor units of the home currency: paid for a load, paid besides the points of a redemption, given back
    by a refund or a reversal, credited by a conversion."""
    price: Mapped[int | None]
    """Of the service that was redeemed, before the discount; minor units."""
    discount_bp: Mapped[int | None] = mapped_column(SmallInteger)
    """Of a redemption; of transfer_tier: what the tier gives from then on."""
    tier_id: Mapped[int | None]
    """Of a load: by which it was reckoned; of transfer_tier: the new one."""
    expires_on: Mapped[dt.date | None] = mapped_column(Date)
    """The last day of what the entry gives: of the batches that it loads or prolongs, or of the tier."""
    reverses: Mapped[int | None]
    """Sequence of the load whose payment, or of the redemption whose service, this entry gives back."""
    currency: Mapped[str | None]
    wallet_sequence: Mapped[int | None]
    """Of a conversion: the entry of the player's wallet that it became."""
    notes: Mapped[str]
    """Why."""
    performed_by: Mapped[str]
    """`staff:<login id>` or `system`."""
    idempotency_key: Mapped[str]
    fingerprint: Mapped[Digest]
    """What was asked for: the same key with another fingerprint is refused."""
    created_at: Mapped[Instant]
    hash: Mapped[Digest]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        ForeignKeyConstraint(["tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]),
        ForeignKeyConstraint(
            ["player_id", "reverses"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "wallet_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        one_of("kind", PointsKind),
        CheckConstraint("sequence > 0", name="sequence"),
        CheckConstraint("balance_after >= 0", name="balance_after"),
        CheckConstraint(
            "CASE kind"
            " WHEN 'load' THEN base_points > 0 AND bonus_points >= 0 AND payment_amount > 0"
            " WHEN 'redeem' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0"
            " WHEN 'refund_service' THEN base_points >= 0 AND bonus_points >= 0"
            "  AND base_points + bonus_points > 0 AND reverses IS NOT NULL"
            " WHEN 'refund_wallet' THEN base_points <= 0 AND bonus_points <= 0"
            "  AND base_points + bonus_points < 0 AND payment_amount >= 0"
            " WHEN 'expire' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0"
            " WHEN 'adjustment' THEN base_points + bonus_points <> 0"
            " AND sign(base_points) * sign(bonus_points) >= 0"
            " WHEN 'convert' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0"
            "  AND wallet_sequence IS NOT NULL AND payment_amount > 0"
            " WHEN 'transfer_tier' THEN base_points = 0 AND bonus_points = 0"
            # Nothing where all of it had been used: it is owed.
            " WHEN 'reversal' THEN base_points <= 0 AND bonus_points <= 0 AND reverses IS NOT NULL"
            "  AND (coalesce(payment_amount, 0) > 0 OR base_points + bonus_points < 0)"
            " END",
            name="direction",
        ),
        CheckConstraint(
            "kind IN ('refund_service', 'reversal') = (reverses IS NOT NULL) AND reverses < sequence",
            name="reverses",
        ),
        CheckConstraint(
            "(kind = 'convert') = (wallet_sequence IS NOT NULL)"
            " AND (wallet_sequence IS NULL) = (currency IS NULL)",
            name="convert",
        ),
        CheckConstraint("payment_amount >= 0 AND price > 0", name="amounts"),
        CheckConstraint("discount_bp BETWEEN 0 AND 10000", name="discount_bp"),
        CheckConstraint(
            "CASE kind WHEN 'redeem' THEN (price IS NULL) = (discount_bp IS NULL)"
            "  AND (price IS NULL) = (payment_amount IS NULL)"
            " WHEN 'transfer_tier' THEN price IS NULL AND (discount_bp IS NULL) = (tier_id IS NULL)"
            " ELSE price IS NULL AND discount_bp IS NULL END",
            name="service",
        ),
        CheckConstraint(
            "CASE kind WHEN 'load' THEN expires_on IS NOT NULL"
            " WHEN 'adjustment' THEN (expires_on IS NOT NULL) = (base_points + bonus_points > 0)"
            " WHEN 'transfer_tier' THEN (expires_on IS NULL) = (tier_id IS NULL)"
            " WHEN 'refund_service' THEN true"
            " ELSE expires_on IS NULL END",
            name="expires_on",
        ),
        CheckConstraint(
            "length(invoice) BETWEEN 1 AND 100 AND length(payment) BETWEEN 1 AND 100"
            " AND length(payment_mode) BETWEEN 1 AND 40",
            name="references",
        ),
        CheckConstraint("length(notes) BETWEEN 1 AND 500", name="notes"),
        CheckConstraint("performed_by <> ''", name="performed_by"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint("octet_length(fingerprint) = 32 AND octet_length(hash) = 32", name="digests"),
        # An entry of the wallet comes of one conversion.
        Index(
            "uq_loyalty_entries_wallet_sequence",
            "player_id",
            "currency",
            "wallet_sequence",
            unique=True,
            postgresql_where=text("wallet_sequence IS NOT NULL"),
        ),
        # What has been given back of a redemption or a load.
        Index(
            "ix_loyalty_entries_reverses",
            "player_id",
            "reverses",
            postgresql_where=text("reverses IS NOT NULL"),
        ),
        # The journal of all members, latest first, and what moved within some days.
        Index(
            "ix_loyalty_entries_recent",
            "operator_id",
            "created_at",
            "player_id",
            "sequence",
            postgresql_include=["kind", "points", "payment_amount"],
        ),
        # What a member of staff has adjusted today.
        Index(
            "ix_loyalty_entries_adjustments",
            "player_id",
            "performed_by",
            "created_at",
            postgresql_where=text("kind = 'adjustment'"),
        ),
    )


class PointsBatch(Base):
    """Points of one load, one adjustment, or one grace, that expire together.

    Use takes base and bonus points pro rata: of `used` points, the bonus part is
    floor(used × bonus_loaded ÷ loaded), so what remains of each follows from what remains of both.
    """

    __tablename__ = "points_batches"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """1, 2, 3 … in the order of loading."""
    operator_id: Mapped[int]
    sequence: Mapped[int]
    """Of the entry that loaded it."""
    origin: Mapped[int | None] = mapped_column(Integer)
    """Of a grace: the number of the batch that its points came from."""
    loaded_on: Mapped[dt.date] = mapped_column(Date)
    expires_on: Mapped[dt.date] = mapped_column(Date)
    """The last day, in the operator's time zone."""
    base_loaded: Mapped[int]
    bonus_loaded: Mapped[int]
    loaded: Mapped[int] = mapped_column(Computed("base_loaded + bonus_loaded", persisted=True))
    remaining: Mapped[int]
    redeemed: Mapped[int] = mapped_column(server_default=ZERO)
    expired: Mapped[int] = mapped_column(server_default=ZERO)
    reversed: Mapped[int] = mapped_column(server_default=ZERO)
    amount_paid: Mapped[int] = mapped_column(server_default=ZERO)
    """The payment that it was loaded for; 0 for an adjustment. Minor units of the home currency."""
    amount_refunded: Mapped[int] = mapped_column(server_default=ZERO)
    owed: Mapped[int] = mapped_column(server_default=ZERO)
    """Points whose payment was given back, and that had been used already."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        ForeignKeyConstraint(
            ["player_id", "sequence"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        ForeignKeyConstraint(["player_id", "origin"], ["points_batches.player_id", "points_batches.number"]),
        CheckConstraint("number > 0 AND origin < number", name="number"),
        CheckConstraint("origin IS NULL OR amount_paid = 0", name="origin"),
        CheckConstraint("expires_on >= loaded_on", name="expires_on"),
        CheckConstraint("base_loaded >= 0 AND bonus_loaded >= 0 AND loaded > 0", name="loaded"),
        CheckConstraint("remaining >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0", name="parts"),
        CheckConstraint("loaded = remaining + redeemed + expired + reversed", name="adds_up"),
        CheckConstraint("amount_refunded BETWEEN 0 AND amount_paid", name="amount_refunded"),
        CheckConstraint("owed BETWEEN 0 AND loaded", name="owed"),
        # What can be used, soonest expiry first.
        Index(
            "ix_points_batches_open",
            "player_id",
            "expires_on",
            "number",
            postgresql_where=text("remaining > 0"),
        ),
        # What expires next, over all members.
        Index(
            "ix_points_batches_expires_on",
            "operator_id",
            "expires_on",
            "player_id",
            "number",
            postgresql_include=["remaining"],
            postgresql_where=text("remaining > 0"),
        ),
        # What a load became.
        Index("ix_points_batches_sequence", "player_id", "sequence"),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class PointsAllocation(Base):
    """How many points an entry took from a batch (positive), or put back into it (negative)."""

    __tablename__ = "points_allocations"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Of the batch."""
    place: Mapped[int] = mapped_column(Integer)
    """1, 2, 3 … in the order in which the entry took them: a refund gives the last one back first."""
    base_points: Mapped[int]
    bonus_points: Mapped[int]
    points: Mapped[int] = mapped_column(Computed("base_points + bonus_points", persisted=True))
    refunded: Mapped[int] = mapped_column(server_default=ZERO)
    """What refunds of a cancelled service have given back of it, wherever it went."""
    prolonged_to: Mapped[dt.date | None] = mapped_column(Date)
    """Where points came back to a batch that had expired and is valid again: its new last day."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "sequence"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        ForeignKeyConstraint(["player_id", "number"], ["points_batches.player_id", "points_batches.number"]),
        UniqueConstraint("player_id", "sequence", "place"),
        CheckConstraint("place > 0", name="place"),
        CheckConstraint(
            "points <> 0"
            " AND (base_points >= 0 AND bonus_points >= 0 OR base_points <= 0 AND bonus_points <= 0)",
            name="points",
        ),
        CheckConstraint("refunded BETWEEN 0 AND greatest(points, 0)", name="refunded"),
        CheckConstraint("prolonged_to IS NULL OR points < 0", name="prolonged_to"),
        # What became of a batch.
        Index("ix_points_allocations_number", "player_id", "number", "sequence"),
    )


class LoyaltyMonth(Base):
    """An operator's points by the month in which they expire: sums over batches, kept with every move.

    Spread over some rows a month (`services/points_journal.py`), so that members do not wait for each other.
    """

    __tablename__ = "loyalty_months"

    operator_id: Mapped[int] = mapped_column(
        ForeignKey("loyalty_programmes.operator_id"), primary_key=True, autoincrement=False
    )
    month: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    """Its first day."""
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    loaded: Mapped[int]
    remaining: Mapped[int]
    redeemed: Mapped[int]
    expired: Mapped[int]
    reversed: Mapped[int]

    __table_args__ = (
        CheckConstraint("extract(day FROM month) = 1", name="month"),
        CheckConstraint("loaded = remaining + redeemed + expired + reversed", name="adds_up"),
        CheckConstraint("remaining >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0", name="parts"),
        {"postgresql_with": {"fillfactor": "50"}},
    )


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


class PointsRequest(Base):
    """A large adjustment of points that waits for another person. Never deleted."""

    __tablename__ = "points_requests"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    points: Mapped[int]
    """With its sign."""
    reason: Mapped[str]
    idempotency_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    requested_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    requested_at: Mapped[Instant]
    lapses_at: Mapped[Instant]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[str | None]
    ended_at: Mapped[Instant | None]
    sequence: Mapped[int | None]
    """Of the entry that it became."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        ForeignKeyConstraint(
            ["player_id", "sequence"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        CheckConstraint("points <> 0", name="points"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint("state IN ('waiting', 'approved', 'declined', 'lapsed')", name="state"),
        CheckConstraint("decided_by <> requested_by", name="second_person"),
        CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name="decision",
        ),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_at"),
        CheckConstraint("(state = 'approved') = (sequence IS NOT NULL)", name="sequence"),
        Index("ix_points_requests_inbox", "operator_id", "state", "requested_at", "player_id", "id"),
        Index(
            "ix_points_requests_waiting",
            "player_id",
            postgresql_where=text("state = 'waiting'"),
        ),
    )
