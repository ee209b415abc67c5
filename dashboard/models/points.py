"""Points: what members have in batches, every move of them, and large adjustments that wait.

Points are whole numbers, and none is lost: each batch is what remains of it, was redeemed, expired, or was
reversed. Every move is an entry of a chained journal, and allocations say which entry took how many points
from which batch.
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
from dashboard.models.columns import Digest, Instant, one_of

ZERO = text("0")


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


class LoyaltyDay(Base):
    """What an operator's entries of one kind and day come to: all rows of that day and kind together.

    Every statement that appends entries adds a row of its own, so that nobody waits for anybody; the worker
    makes one of them (`services/loyalty_sums.py`).
    """

    __tablename__ = "loyalty_days"

    # No foreign key: checking it would lock the programme, of which there is one, for every entry.
    operator_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    """UTC's, so that it is the same in every zone."""
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    entries: Mapped[int]
    """Negative where an import was taken back, until the rows are one."""
    points: Mapped[int]
    amount: Mapped[int]
    """Minor units of the home currency, without a sign as in the entries."""

    __table_args__ = (one_of("kind", PointsKind),)


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
