"""Wallets, balances, the journal of every change, and the changes that were refused."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Instant, one_of
from dashboard.models.vip import Level

ZERO = text("0")


class WalletStatus(StrEnum):
    """What a wallet takes: everything, only what must not wait, or only corrections."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


class ChangeType(StrEnum):
    """Why a balance moved. Each type has one contra account; see `services/change_types.py`."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    ADJUSTMENT = "adjustment"
    FEE = "fee"
    WAGER = "wager"
    SETTLEMENT = "settlement"
    REFUND = "refund"
    BONUS_GRANT = "bonus_grant"
    BONUS_FORFEIT = "bonus_forfeit"
    BONUS_EXPIRY = "bonus_expiry"
    BONUS_CONVERSION = "bonus_conversion"
    TRANSFER = "transfer"
    OPENING = "opening"
    POINTS_CONVERSION = "points_conversion"
    REVERSAL = "reversal"


class ContraAccount(StrEnum):
    """The house's side of an entry. House accounts are summed when asked, never kept as rows."""

    CASH = "cash"
    ADJUSTMENTS = "adjustments"
    FEES = "fees"
    GAMING = "gaming"
    PROMOTIONS = "promotions"
    TRANSFERS = "transfers"
    OPENING = "opening"


class Wallet(Base):
    """One per player: status, and the VIP level that says what its balances may do."""

    __tablename__ = "wallets"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    status_reason: Mapped[str | None]
    """Why it was frozen or closed."""
    status_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    status_at: Mapped[Instant | None]
    vip_level: Mapped[str] = mapped_column(server_default=text("'default'"))
    xp: Mapped[int] = mapped_column(server_default=ZERO)
    """Gained since the present level began."""
    total_xp: Mapped[int] = mapped_column(server_default=ZERO)
    """Gained ever; levels are reached by this."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["players.id", "players.operator_id"]),
        UniqueConstraint("player_id", "operator_id"),
        one_of("status", WalletStatus),
        one_of("vip_level", Level),
        CheckConstraint("xp >= 0 AND total_xp >= xp", name="xp"),
        CheckConstraint(
            "status = 'active' OR (coalesce(status_reason, '') <> '' AND status_at IS NOT NULL)",
            name="status_reason",
        ),
        # The player list by status and by level.
        Index("ix_wallets_operator_id_status", "operator_id", "status", "player_id"),
        Index("ix_wallets_operator_id_vip_level", "operator_id", "vip_level", "player_id"),
    )


class Balance(Base):
    """A player's money in one currency, in minor units, and the head of its journal's hash chain."""

    __tablename__ = "balances"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[int]
    real: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    bonus: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    total: Mapped[int] = mapped_column(Computed("real + bonus", persisted=True))
    pending: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Locked for withdrawals that are not paid yet, and for debits that are held."""
    turnover: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Stakes less stakes given back."""
    deposited: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    withdrawn: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    wagered: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    won: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    real_losses: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Real money lost to games, net of what was won; negative for a player who is ahead."""
    bonus_losses: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    largest: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """The largest absolute real amount of one entry ever: what is unusually large for this player."""
    active_hours: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    """Bit h is set once an entry fell into hour h of the operator's day: what the risk score asks."""
    version: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """How many entries the journal has: the sequence of the last one."""
    head: Mapped[Digest] = mapped_column(server_default=text("decode(repeat('00', 32), 'hex')"))
    """Hash of the last entry; 32 zero bytes before the first."""
    updated_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        UniqueConstraint("player_id", "currency", "operator_id"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("bonus >= 0", name="bonus"),
        CheckConstraint("pending >= 0", name="pending"),
        CheckConstraint("largest >= 0", name="largest"),
        CheckConstraint("version >= 0", name="version"),
        CheckConstraint("octet_length(head) = 32", name="head"),
        # Figures over one operator's balances. Not with the currency: while a new table has no statistics,
        # the check of a foreign key to this table would take that index, and walk the whole operator.
        Index("ix_balances_operator_id", "operator_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class WalletEntry(Base):
    """One change of one balance. Append-only: a mistake is mended by another entry.

    The sequence is the balance's version after the change, so a journal has no gap, and every
    column but the generated ones is under the hash (`services/chain.py`).
    """

    __tablename__ = "wallet_entries"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    change_type: Mapped[str]
    contra_account: Mapped[str]
    real_delta: Mapped[int]
    bonus_delta: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    real_after: Mapped[int]
    bonus_after: Mapped[int]
    real_before: Mapped[int] = mapped_column(Computed("real_after - real_delta", persisted=True))
    bonus_before: Mapped[int] = mapped_column(Computed("bonus_after - bonus_delta", persisted=True))
    reason: Mapped[str]
    performed_by: Mapped[str]
    """`staff:<login id>` or `system`; names stand elsewhere, outside the chain."""
    agent_id: Mapped[int | None]
    """Who was in charge of the player then. No foreign key: a copy, and every change would lock that row."""
    reference: Mapped[str | None]
    """The number of the same thing elsewhere: a bank transfer, a ticket, a row of an import."""
    idempotency_key: Mapped[str]
    fingerprint: Mapped[Digest]
    """What was asked for: the same key with another fingerprint is refused."""
    reverses: Mapped[int | None]
    """Sequence of the entry of the same journal that this one reverses."""
    metadata_: Mapped[str] = mapped_column("metadata", server_default=text("'{}'"))
    """Canonical JSON text: sorted keys, integers and strings only."""
    risk_score: Mapped[int | None] = mapped_column(Integer)
    """0 to 100; its parts stand in the metadata. NULL: not scored."""
    created_at: Mapped[Instant]
    hash: Mapped[Digest]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "reverses"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        CheckConstraint("sequence > 0", name="sequence"),
        one_of("change_type", ChangeType),
        one_of("contra_account", ContraAccount),
        CheckConstraint("real_delta <> 0 OR bonus_delta <> 0", name="moves"),
        CheckConstraint("bonus_after >= 0", name="bonus_after"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("performed_by <> ''", name="performed_by"),
        CheckConstraint("length(reference) BETWEEN 1 AND 100", name="reference"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
        CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score"),
        CheckConstraint("jsonb_typeof(metadata::jsonb) = 'object'", name="metadata"),
        CheckConstraint("(change_type = 'reversal') = (reverses IS NOT NULL)", name="reversal"),
        CheckConstraint("reverses < sequence", name="reverses"),
        CheckConstraint(
            "CASE change_type"
            " WHEN 'deposit' THEN real_delta > 0 AND bonus_delta = 0 AND contra_account = 'cash'"
            " WHEN 'withdrawal' THEN real_delta < 0 AND bonus_delta = 0 AND contra_account = 'cash'"
            " WHEN 'adjustment' THEN contra_account = 'adjustments'"
            " WHEN 'fee' THEN real_delta < 0 AND bonus_delta = 0 AND contra_account = 'fees'"
            " WHEN 'wager' THEN real_delta <= 0 AND bonus_delta <= 0 AND contra_account = 'gaming'"
            " WHEN 'settlement' THEN real_delta >= 0 AND bonus_delta >= 0 AND contra_account = 'gaming'"
            " WHEN 'refund' THEN real_delta >= 0 AND bonus_delta >= 0 AND contra_account = 'gaming'"
            " WHEN 'bonus_grant' THEN real_delta = 0 AND bonus_delta > 0 AND contra_account = 'promotions'"
            " WHEN 'bonus_forfeit' THEN real_delta = 0 AND bonus_delta < 0 AND contra_account = 'promotions'"
            " WHEN 'bonus_expiry' THEN real_delta = 0 AND bonus_delta < 0 AND contra_account = 'promotions'"
            " WHEN 'bonus_conversion' THEN real_delta > 0 AND bonus_delta < 0"
            "  AND contra_account = 'promotions'"
            " WHEN 'transfer' THEN bonus_delta = 0 AND contra_account = 'transfers'"
            " WHEN 'opening' THEN bonus_delta >= 0 AND contra_account = 'opening'"
            " WHEN 'points_conversion' THEN real_delta > 0 AND bonus_delta = 0"
            "  AND contra_account = 'promotions'"
            " ELSE true END",
            name="direction",
        ),
        # An entry is reversed at most once.
        Index(
            "uq_wallet_entries_reverses",
            "player_id",
            "currency",
            "reverses",
            unique=True,
            postgresql_where=text("reverses IS NOT NULL"),
        ),
        # Used limits and usual amounts of a player, and the journal filtered by type.
        Index(
            "ix_wallet_entries_by_type",
            "player_id",
            "currency",
            "change_type",
            "created_at",
            postgresql_include=["real_delta"],
        ),
        # What a member of staff has moved today, over all players.
        Index(
            "ix_wallet_entries_by_staff",
            "performed_by",
            "created_at",
            postgresql_include=["player_id", "currency", "change_type", "real_delta", "bonus_delta"],
            postgresql_where=text("performed_by <> 'system'"),
        ),
        # What has a reference that begins like this, whatever the collation.
        Index(
            "ix_wallet_entries_reference",
            "operator_id",
            literal_column("lower(reference)").label("lowered"),
            postgresql_ops={"lowered": "text_pattern_ops"},
            postgresql_where=text("reference IS NOT NULL"),
        ),
        # Recent changes over all players of an operator, and sums over its days without reading the rows.
        Index(
            "ix_wallet_entries_recent",
            "operator_id",
            "created_at",
            "player_id",
            "currency",
            "sequence",
            postgresql_include=["change_type", "contra_account", "real_delta", "bonus_delta", "agent_id"],
        ),
        # Adjustments and what took them back, in the order of time: few of all changes.
        Index(
            "ix_wallet_entries_adjustments",
            "operator_id",
            "created_at",
            postgresql_where=text("contra_account = 'adjustments'"),
        ),
    )


class Refusal(Base):
    """A change that was refused: who wanted what, and every reason against it. Append-only."""

    __tablename__ = "refusals"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    currency: Mapped[str]
    change_type: Mapped[str]
    real_delta: Mapped[int]
    bonus_delta: Mapped[int]
    reason: Mapped[str]
    performed_by: Mapped[str]
    idempotency_key: Mapped[str]
    errors: Mapped[str]
    """What was said against it: JSON text, a list of [code, message]."""
    refused_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        # Recording the same refusal twice keeps one row.
        UniqueConstraint("player_id", "idempotency_key"),
        one_of("change_type", ChangeType),
        CheckConstraint("jsonb_typeof(errors::jsonb) = 'array'", name="errors"),
        # How many an operator had today.
        Index("ix_refusals_operator_id_refused_at", "operator_id", "refused_at"),
    )
