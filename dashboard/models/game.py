"""Games, the rule sets that they are played under, rounds, bets, and how rounds were settled."""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of

ZERO = text("0")
_NO_CARDS = text("'{}'")


class Side(StrEnum):
    """Where cards fall; a bet on one of them is the main bet."""

    ANDAR = "andar"
    BAHAR = "bahar"


class Dealing(StrEnum):
    """Where the cards come from."""

    AUTOMATIC = "automatic"
    """A deck shuffled by a seed that was committed to before betting."""
    MANUAL = "manual"
    """A live table: staff enter each card."""


class RuleSetState(StrEnum):
    """Whether games may be played under it."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class GameState(StrEnum):
    """Whether rounds may be opened."""

    ACTIVE = "active"
    RETIRED = "retired"


class RoundState(StrEnum):
    """Where a round is. It only goes forward; every step is one guarded update."""

    SCHEDULED = "scheduled"
    BETTING = "betting"
    LOCKED = "locked"
    DEALING = "dealing"
    SETTLING = "settling"
    SETTLED = "settled"
    VOIDED = "voided"


LIVE_STATES = (
    RoundState.SCHEDULED,
    RoundState.BETTING,
    RoundState.LOCKED,
    RoundState.DEALING,
    RoundState.SETTLING,
)
"""Of these a game has at most one round."""


class BetState(StrEnum):
    """What became of a bet."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"
    PUSH = "push"
    """The stake comes back."""
    VOID = "void"
    """The round was voided: the stake comes back, as it was made up."""


class RuleSet(Base):
    """How a game is dealt and what it pays. Its definition never changes: an edit makes the next version."""

    __tablename__ = "rule_sets"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    version: Mapped[int]
    definition: Mapped[str]
    """Canonical JSON text; its form stands in `services/rule_sets.py`."""
    state: Mapped[str] = mapped_column(server_default=text("'draft'"))
    made_by: Mapped[str]
    made_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("operator_id", "name", "version"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("jsonb_typeof(definition::jsonb) = 'object'", name="definition"),
        one_of("state", RuleSetState),
    )


class Game(Base):
    """A table at which rounds are played, with its limits. Amounts in minor units of its currency."""

    __tablename__ = "games"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    currency: Mapped[str]
    rule_set_id: Mapped[int]
    """Of the rounds to come; each round keeps the one that it was opened with."""
    dealing: Mapped[str]
    public_salt: Mapped[str]
    min_bet: Mapped[int]
    max_bet: Mapped[int]
    exposure_max: Mapped[int | None]
    """The most that the house may lose on one round; None: whatever the bets come to."""
    betting_seconds: Mapped[int]
    pause_seconds: Mapped[int]
    """Between the end of a round and the next one, where the worker runs the game."""
    is_running: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the worker opens, deals and settles its rounds by itself."""
    state: Mapped[str] = mapped_column(server_default=text("'active'"))
    made_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["rule_set_id", "operator_id"], ["rule_sets.id", "rule_sets.operator_id"]),
        UniqueConstraint("operator_id", "name"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("public_salt ~ '^[a-z0-9-]{1,40}$'", name="public_salt"),
        CheckConstraint("min_bet > 0 AND max_bet >= min_bet", name="bets"),
        CheckConstraint("exposure_max > 0", name="exposure_max"),
        CheckConstraint("betting_seconds BETWEEN 1 AND 3600", name="betting_seconds"),
        CheckConstraint("pause_seconds BETWEEN 0 AND 3600", name="pause_seconds"),
        CheckConstraint("NOT is_running OR (state = 'active' AND dealing = 'automatic')", name="is_running"),
        one_of("dealing", Dealing),
        one_of("state", GameState),
    )


class Round(Base):
    """One deal of a game, from its opening to its settlement.

    Cards are numbers from 0 to 51: rank `A23456789TJQK`[c mod 13], suit `CDHS`[c div 13].
    """

    __tablename__ = "rounds"

    id: Mapped[Id]
    operator_id: Mapped[int]
    game_id: Mapped[int]
    number: Mapped[int]
    """1, 2, 3 … of its game; part of what shuffles the deck."""
    rule_set_id: Mapped[int]
    dealing: Mapped[str]
    currency: Mapped[str]
    public_salt: Mapped[str]
    state: Mapped[str]
    stage: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    """Which betting stage it is in, or was in last."""
    opened_at: Mapped[Instant]
    opened_by: Mapped[str]
    betting_ends_at: Mapped[Instant | None]
    """Of the present stage; by the database's clock."""
    commitment: Mapped[bytes | None]
    """SHA-256 of the seed; None where staff deal."""
    seed_sealed: Mapped[bytes | None]
    """The seed, encrypted with a key that is not in the database."""
    seed: Mapped[bytes | None]
    """The seed as it was; only once the round has ended."""
    joker: Mapped[int | None] = mapped_column(SmallInteger)
    cards: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default=_NO_CARDS)
    """What has been dealt so far, without the joker, in order."""
    winner: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=ZERO)
    """Of its last settlement; 0 before the first."""
    bets: Mapped[int] = mapped_column(server_default=ZERO)
    """These totals are written when betting closes, never by a bet."""
    players: Mapped[int] = mapped_column(server_default=ZERO)
    staked: Mapped[int] = mapped_column(server_default=ZERO)
    staked_andar: Mapped[int] = mapped_column(server_default=ZERO)
    staked_bahar: Mapped[int] = mapped_column(server_default=ZERO)
    paid: Mapped[int] = mapped_column(server_default=ZERO)
    """Payouts and stakes given back, by its last settlement."""
    ended_at: Mapped[Instant | None]
    """When it was settled first, or voided."""
    void_reason: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(["game_id", "operator_id"], ["games.id", "games.operator_id"]),
        ForeignKeyConstraint(["rule_set_id", "operator_id"], ["rule_sets.id", "rule_sets.operator_id"]),
        UniqueConstraint("game_id", "number"),
        UniqueConstraint("id", "operator_id", "currency"),
        CheckConstraint("number > 0 AND stage > 0 AND version >= 0", name="number"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        one_of("dealing", Dealing),
        one_of("state", RoundState),
        one_of("winner", Side),
        CheckConstraint(
            "(dealing = 'automatic') = (commitment IS NOT NULL) AND octet_length(commitment) = 32"
            " AND (dealing = 'automatic') = (seed_sealed IS NOT NULL)",
            name="commitment",
        ),
        CheckConstraint(
            "seed IS NULL OR (state IN ('settled', 'voided') AND sha256(seed) = commitment)", name="seed"
        ),
        CheckConstraint("joker BETWEEN 0 AND 51", name="joker"),
        CheckConstraint("cardinality(cards) <= 49 AND 0 <= ALL (cards) AND 51 >= ALL (cards)", name="cards"),
        CheckConstraint("cardinality(cards) = 0 OR joker IS NOT NULL", name="joker_first"),
        CheckConstraint("(state <> 'betting') OR betting_ends_at IS NOT NULL", name="betting_ends_at"),
        CheckConstraint("state NOT IN ('settling', 'settled') OR winner IS NOT NULL", name="winner_known"),
        CheckConstraint(
            "state NOT IN ('scheduled', 'betting', 'locked') OR winner IS NULL", name="winner_unknown"
        ),
        CheckConstraint("(state IN ('settled', 'voided')) = (ended_at IS NOT NULL)", name="ended_at"),
        CheckConstraint("(void_reason IS NOT NULL) = (state = 'voided')", name="void_reason"),
        CheckConstraint(
            "bets >= 0 AND players >= 0 AND staked >= 0 AND paid >= 0"
            " AND staked_andar >= 0 AND staked_bahar >= 0 AND staked >= staked_andar + staked_bahar",
            name="totals",
        ),
        # A game has at most one live round.
        Index(
            "uq_rounds_live",
            "game_id",
            unique=True,
            postgresql_where=text("state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')"),
        ),
        # History over all games, and of one.
        Index("ix_rounds_operator_id_id", "operator_id", "id"),
        Index("ix_rounds_game_id_id", "game_id", "id"),
    )


class RoundClosing(Base):
    """That betting on a stage ends by hand: it keeps new bets off, so that the closing need not wait long."""

    __tablename__ = "round_closings"

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    closed_at: Mapped[Instant]


class RoundSettlement(Base):
    """One settlement of a round. A wrong result is put right by the next version, never by an edit."""

    __tablename__ = "round_settlements"

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    joker: Mapped[int | None] = mapped_column(SmallInteger)
    cards: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    winner: Mapped[str | None]
    """None: every bet is void."""
    reason: Mapped[str | None]
    """Why a result was corrected, or the round voided."""
    made_by: Mapped[str]
    approved_by: Mapped[str | None]
    """Who agreed that a settled round be voided or corrected, where staff wanted it."""
    claimed_at: Mapped[Instant]
    paid_at: Mapped[Instant | None]
    """When the money had moved, all of it."""
    done_at: Mapped[Instant | None]
    """When totals, statistics and earnings were written too."""
    bets: Mapped[int] = mapped_column(server_default=ZERO)
    players: Mapped[int] = mapped_column(server_default=ZERO)
    staked: Mapped[int] = mapped_column(server_default=ZERO)
    paid: Mapped[int] = mapped_column(server_default=ZERO)

    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        one_of("winner", Side),
        CheckConstraint(
            "version = 1 AND winner IS NOT NULL OR length(reason) BETWEEN 1 AND 500", name="reason"
        ),
        # Maker is not checker, whatever a page or a forged post says.
        CheckConstraint("approved_by ~ '^staff:' AND approved_by <> made_by", name="second_person"),
        # NOT VALID where staff made some alone before they had to ask: these stand as they are.
        CheckConstraint("version = 1 OR made_by !~ '^staff:' OR approved_by IS NOT NULL", name="approved_by"),
        CheckConstraint("done_at IS NULL OR paid_at IS NOT NULL", name="done_at"),
        CheckConstraint("bets >= 0 AND players >= 0 AND staked >= 0 AND paid >= 0", name="totals"),
        # What a worker that was killed has left half-way.
        Index("ix_round_settlements_open", "round_id", postgresql_where=text("done_at IS NULL")),
    )


class Bet(Base):
    """A stake of one player on one selection of a round. Amounts in minor units."""

    __tablename__ = "bets"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    currency: Mapped[str]
    round_id: Mapped[int]
    selection: Mapped[str]
    """A side, or what a side bet is on; see `services/rule_sets.py`."""
    stage: Mapped[int] = mapped_column(SmallInteger)
    amount: Mapped[int]
    real_part: Mapped[int]
    bonus_part: Mapped[int] = mapped_column(server_default=ZERO)
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    pays_numerator: Mapped[int | None]
    """What it paid to one, as a ratio; None while it is pending or void."""
    pays_denominator: Mapped[int | None]
    payout: Mapped[int] = mapped_column(server_default=ZERO)
    """With the stake, where it comes back."""
    payout_real: Mapped[int] = mapped_column(server_default=ZERO)
    payout_bonus: Mapped[int] = mapped_column(server_default=ZERO)
    """What the grants that staked it were due."""
    wager_sequence: Mapped[int]
    settlement_sequence: Mapped[int | None]
    """The entry that paid it, with the player's other bets of the round; None where it paid nothing."""
    version: Mapped[int] = mapped_column(server_default=ZERO)
    """Of the settlement that decided it; 0 while it is pending."""
    idempotency_key: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "wager_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "settlement_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            deferrable=True,
            initially="DEFERRED",  # a settlement decides the bets first, and then writes their entry
        ),
        ForeignKeyConstraint(
            ["round_id", "operator_id", "currency"], ["rounds.id", "rounds.operator_id", "rounds.currency"]
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        CheckConstraint("amount > 0 AND amount = real_part + bonus_part", name="amount"),
        CheckConstraint("real_part >= 0 AND bonus_part >= 0 AND stage > 0", name="parts"),
        CheckConstraint(
            "payout = payout_real + payout_bonus AND payout_real >= 0 AND payout_bonus >= 0", name="payout"
        ),
        CheckConstraint("(state = 'pending') = (version = 0) AND version >= 0", name="version"),
        CheckConstraint(
            "CASE state WHEN 'won' THEN payout >= amount WHEN 'push' THEN payout = amount"
            " WHEN 'void' THEN payout_real = real_part AND payout_bonus = bonus_part ELSE payout = 0 END",
            name="paid",
        ),
        CheckConstraint("(payout > 0) = (settlement_sequence IS NOT NULL)", name="settlement_sequence"),
        CheckConstraint("pays_numerator >= 0 AND pays_denominator > 0", name="pays"),
        CheckConstraint(
            "(pays_denominator IS NOT NULL) = (state IN ('won', 'push', 'lost'))"
            " AND (pays_numerator IS NULL) = (pays_denominator IS NULL)",
            name="pays_known",
        ),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        one_of("state", BetState),
        # The bets of a round, by player.
        Index("ix_bets_round_id", "round_id", "player_id", "id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class GameStatistic(Base):
    """A game's month, added to by each settlement. Amounts in minor units of the game's currency."""

    __tablename__ = "game_statistics"

    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"), primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    """Its first day, in the operator's time zone."""
    rounds: Mapped[int] = mapped_column(server_default=ZERO)
    voided: Mapped[int] = mapped_column(server_default=ZERO)
    bets: Mapped[int] = mapped_column(server_default=ZERO)
    wagered: Mapped[int] = mapped_column(server_default=ZERO)
    paid: Mapped[int] = mapped_column(server_default=ZERO)
    expected: Mapped[int] = mapped_column(server_default=ZERO)
    """What the exact edges say would be paid on what was wagered."""


class DealStatistic(Base):
    """How many rounds of a game's month ended after so many cards: what the fairness page compares."""

    __tablename__ = "deal_statistics"

    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"), primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    cards_dealt: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """The match included; where it is odd, the side dealt first has won."""
    rounds: Mapped[int] = mapped_column(server_default=ZERO)

    __table_args__ = (
        CheckConstraint("cards_dealt BETWEEN 1 AND 49", name="cards_dealt"),
        CheckConstraint("rounds >= 0", name="rounds"),
    )


class PlayerGameStatistic(Base):
    """A player's month at a game, added to by each settlement."""

    __tablename__ = "player_game_statistics"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    game_id: Mapped[int] = mapped_column(ForeignKey("games.id"), primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    operator_id: Mapped[int]
    rounds: Mapped[int] = mapped_column(server_default=ZERO)
    bets: Mapped[int] = mapped_column(server_default=ZERO)
    wagered: Mapped[int] = mapped_column(server_default=ZERO)
    real_wagered: Mapped[int] = mapped_column(server_default=ZERO)
    paid: Mapped[int] = mapped_column(server_default=ZERO)

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        # Who played a game in a month.
        Index("ix_player_game_statistics_game_id", "game_id", "month"),
    )
