"""Bonuses: offers, what players were granted, and which part of which stake each grant paid."""

from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant, one_of

ZERO = text("0")


class BonusSource(StrEnum):
    """What a bonus is given for."""

    WELCOME = "welcome"
    DEPOSIT = "deposit"
    INVITE = "invite"
    SMS = "sms"
    TOURNAMENT = "tournament"
    HAPPY_HOUR = "happy_hour"
    CASHBACK = "cashback"
    PROGRESS = "progress"
    DAILY_ENTRY = "daily_entry"
    WHEEL_OF_FORTUNE = "wheel_of_fortune"
    MANUAL = "manual"


class OfferKind(StrEnum):
    """How much an offer gives."""

    AMOUNT = "amount"
    PERCENT = "percent"
    """Of a deposit, up to a cap."""


class OfferState(StrEnum):
    """Whether an offer can be granted."""

    ACTIVE = "active"
    RETIRED = "retired"


class WageringBase(StrEnum):
    """What the multiplier multiplies."""

    BONUS = "bonus"
    DEPOSIT_AND_BONUS = "deposit_and_bonus"


class BonusState(StrEnum):
    """Where a grant is. Only an active one holds money."""

    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FORFEITED = "forfeited"
    CANCELLED = "cancelled"


class BonusOffer(Base):
    """A template. Amounts in minor units; what a grant was made with stands on the grant."""

    __tablename__ = "bonus_offers"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    source: Mapped[str]
    currency: Mapped[str]
    kind: Mapped[str]
    amount: Mapped[int | None]
    """Of kind amount."""
    percent: Mapped[int | None]
    """Of kind percent: of the deposit."""
    cap: Mapped[int | None]
    """Of kind percent: the most that it gives."""
    wagering_multiplier: Mapped[Decimal] = mapped_column(Numeric(7, 2))
    wagering_base: Mapped[str]
    max_bet: Mapped[int | None]
    max_win: Mapped[int | None]
    """The most that becomes real money."""
    validity_days: Mapped[int]
    levels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """VIP levels that may get it; none named: all."""
    state: Mapped[str] = mapped_column(server_default=text("'active'"))
    made_by: Mapped[str]
    made_at: Mapped[Instant]
    changed_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("operator_id", "name"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        one_of("source", BonusSource),
        one_of("kind", OfferKind),
        one_of("wagering_base", WageringBase),
        one_of("state", OfferState),
        CheckConstraint(
            "CASE kind WHEN 'amount' THEN amount > 0 AND percent IS NULL AND cap IS NULL"
            " ELSE amount IS NULL AND percent BETWEEN 1 AND 1000 AND cap > 0 END",
            name="gives",
        ),
        CheckConstraint("wagering_multiplier BETWEEN 0 AND 1000", name="wagering_multiplier"),
        CheckConstraint("max_bet > 0", name="max_bet"),
        CheckConstraint("max_win > 0", name="max_win"),
        CheckConstraint("validity_days BETWEEN 1 AND 3650", name="validity_days"),
    )


class BonusOfferTerm(Base):
    """How a game, or one selection of it, counts toward an offer's wagering, or that it may not be played."""

    __tablename__ = "bonus_offer_terms"

    offer_id: Mapped[int] = mapped_column(ForeignKey("bonus_offers.id"), primary_key=True)
    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"), primary_key=True)
    selection: Mapped[str] = mapped_column(primary_key=True)
    """Empty: every selection that has no row of its own."""
    contribution_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("100"))
    is_restricted: Mapped[bool] = mapped_column(server_default=text("false"))
    """Bonus money may not be staked there."""

    __table_args__ = (
        CheckConstraint("contribution_percent BETWEEN 0 AND 100", name="contribution_percent"),
        CheckConstraint("NOT is_restricted OR selection = ''", name="is_restricted"),
    )


class Bonus(Base):
    """One grant to one player, with the terms that it was made with. Amounts in minor units.

    The sum of what remains of a balance's active grants is that balance's bonus, always.
    """

    __tablename__ = "bonuses"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    currency: Mapped[str]
    offer_id: Mapped[int | None]
    name: Mapped[str]
    source: Mapped[str]
    state: Mapped[str]
    amount: Mapped[int]
    remaining: Mapped[int] = mapped_column(server_default=ZERO)
    wagering_multiplier: Mapped[Decimal] = mapped_column(Numeric(7, 2))
    required: Mapped[int]
    """How much must be wagered before it becomes real money."""
    wagered: Mapped[int] = mapped_column(server_default=ZERO)
    """How much of that is done; what a game's contribution has taken off does not count."""
    max_bet: Mapped[int | None]
    max_win: Mapped[int | None]
    validity_days: Mapped[int]
    idempotency_key: Mapped[str]
    fingerprint: Mapped[Digest]
    reason: Mapped[str]
    """Why it was granted."""
    granted_by: Mapped[str]
    granted_at: Mapped[Instant]
    activated_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    ended_by: Mapped[str | None]
    end_reason: Mapped[str | None]
    converted: Mapped[int] = mapped_column(server_default=ZERO)
    """What has become real money."""
    forfeited: Mapped[int] = mapped_column(server_default=ZERO)
    """What was taken away: at its end, above the most that may be won, or paid after it had ended."""
    owing: Mapped[int] = mapped_column(server_default=ZERO)
    """What should have been taken back when a completion was undone, and was spent already."""
    grant_sequence: Mapped[int | None]
    """The entry that gave the money, once it is active."""
    deposit_sequence: Mapped[int | None]
    """The entry of the deposit that it is a share of."""
    completed_round_id: Mapped[int | None]
    """The round whose settlement completed it."""
    completed_version: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        ForeignKeyConstraint(["offer_id", "operator_id"], ["bonus_offers.id", "bonus_offers.operator_id"]),
        ForeignKeyConstraint(
            ["player_id", "currency", "grant_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "deposit_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        ForeignKeyConstraint(
            ["completed_round_id", "completed_version"],
            ["round_settlements.round_id", "round_settlements.version"],
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        one_of("source", BonusSource),
        one_of("state", BonusState),
        CheckConstraint("amount > 0 AND remaining >= 0 AND required >= 0 AND wagered >= 0", name="amounts"),
        CheckConstraint("converted >= 0 AND forfeited >= 0 AND owing >= 0", name="ends"),
        CheckConstraint("state = 'active' OR remaining = 0", name="remaining"),
        CheckConstraint("max_win IS NULL OR converted <= max_win", name="max_win"),
        CheckConstraint("max_bet > 0 AND max_win > 0 AND validity_days > 0", name="terms"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint(
            "(state IN ('queued', 'active')) = (ended_at IS NULL)"
            " AND (ended_at IS NULL) = (end_reason IS NULL)",
            name="ended",
        ),
        CheckConstraint(
            "(activated_at IS NULL) = (expires_at IS NULL)"
            " AND (activated_at IS NULL) = (grant_sequence IS NULL)"
            " AND (state <> 'active' OR activated_at IS NOT NULL)"
            " AND (state <> 'queued' OR activated_at IS NULL)",
            name="activated",
        ),
        CheckConstraint("(completed_round_id IS NULL) = (completed_version IS NULL)", name="completed"),
        # What funds a stake, oldest first, and the queue.
        Index(
            "ix_bonuses_open",
            "player_id",
            "currency",
            "id",
            postgresql_where=text("state IN ('queued', 'active')"),
        ),
        # What waits for its turn, over all players.
        Index("ix_bonuses_queued", "player_id", "currency", postgresql_where=text("state = 'queued'")),
        # One deposit earns an offer once.
        Index(
            "uq_bonuses_deposit",
            "player_id",
            "currency",
            "deposit_sequence",
            "offer_id",
            unique=True,
            postgresql_where=text("deposit_sequence IS NOT NULL AND state <> 'cancelled'"),
        ),
        # What a member of staff has granted today.
        Index(
            "ix_bonuses_granted_by",
            "granted_by",
            "granted_at",
            postgresql_where=text("granted_by <> 'system'"),
        ),
        # What expires next.
        Index("ix_bonuses_expires_at", "expires_at", postgresql_where=text("state = 'active'")),
        Index("ix_bonuses_operator_id_id", "operator_id", "id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class BonusTerm(Base):
    """A grant's copy of a term of its offer."""

    __tablename__ = "bonus_terms"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bonus_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"), primary_key=True)
    selection: Mapped[str] = mapped_column(primary_key=True)
    contribution_percent: Mapped[int] = mapped_column(SmallInteger)
    is_restricted: Mapped[bool]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "bonus_id"], ["bonuses.player_id", "bonuses.id"]),
        CheckConstraint("contribution_percent BETWEEN 0 AND 100", name="contribution_percent"),
    )


class BonusStake(Base):
    """The part of a stake that one grant has paid, what came back of it, and what it counted."""

    __tablename__ = "bonus_stakes"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bet_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bonus_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int]
    returned: Mapped[int] = mapped_column(server_default=ZERO)
    """Its share of the payout."""
    credited: Mapped[int] = mapped_column(server_default=ZERO)
    """What of that went into the grant: all of it, or nothing where the grant had ended."""
    counted: Mapped[int] = mapped_column(server_default=ZERO)
    """What it added to the grant's wagered."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "bet_id"], ["bets.player_id", "bets.id"]),
        ForeignKeyConstraint(["player_id", "bonus_id"], ["bonuses.player_id", "bonuses.id"]),
        CheckConstraint("amount > 0 AND returned >= 0 AND counted >= 0", name="amounts"),
        CheckConstraint("credited IN (0, returned)", name="credited"),
        Index("ix_bonus_stakes_bonus_id", "player_id", "bonus_id", "bet_id"),
    )
