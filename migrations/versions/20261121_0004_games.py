"""Games, rounds, bets and their settlement; bonuses.

Revision 20261121_0004, after 20261121_0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0004"
down_revision = "20261121_0003"
branch_labels = None
depends_on = None

APPENDED = ("round_closings", "bonus_terms")
KEPT = ("games", "game_statistics", "deal_statistics", "player_game_statistics", "bonus_offers")
PASSING = ("bonus_offer_terms",)
# What was agreed stands: rules, a round's commitment, a stake, the terms of a grant. Only how they go on changes.
UPDATABLE = {
    "rule_sets": ("state",),
    "rounds": (
        *("state", "stage", "betting_ends_at", "seed", "joker", "cards", "winner", "version", "ended_at"),
        *("bets", "players", "staked", "staked_andar", "staked_bahar", "paid", "void_reason"),
    ),
    "round_settlements": ("paid_at", "done_at", "bets", "players", "staked", "paid"),
    "bets": (
        *("state", "pays_numerator", "pays_denominator", "payout", "payout_real", "payout_bonus"),
        *("settlement_sequence", "version"),
    ),
    "bonuses": (
        *(
            "state",
            "remaining",
            "wagered",
            "activated_at",
            "expires_at",
            "ended_at",
            "ended_by",
            "end_reason",
        ),
        *("converted", "forfeited", "owing", "grant_sequence", "completed_round_id", "completed_version"),
    ),
    "bonus_stakes": ("returned", "credited", "counted"),
}


def upgrade() -> None:
    extend_operators()
    extend_change_requests()
    create_tables()
    for table in APPENDED:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO purser_app")
    for table in KEPT:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO purser_app")
    for table in PASSING:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO purser_app")
    for table, columns in UPDATABLE.items():
        op.execute(f"GRANT SELECT, INSERT, UPDATE ({', '.join(columns)}) ON {table} TO purser_app")
    readable = (*APPENDED, *KEPT, *PASSING, *UPDATABLE)
    op.execute(f"GRANT SELECT ON {', '.join(readable)} TO purser_report")


def extend_operators() -> None:
    op.add_column(
        "operators",
        sa.Column("stake_order", sa.Text(), server_default=sa.text("'real_first'"), nullable=False),
    )
    op.add_column(
        "operators",
        sa.Column("wagering_counts", sa.Text(), server_default=sa.text("'bonus'"), nullable=False),
    )
    op.add_column("operators", sa.Column("active_bonuses_max", sa.BigInteger(), nullable=True))
    op.add_column(
        "operators", sa.Column("xp_per_unit", sa.BigInteger(), server_default=sa.text("1"), nullable=False)
    )
    for name, condition in (
        ("stake_order", "stake_order IN ('real_first', 'bonus_first')"),
        ("wagering_counts", "wagering_counts IN ('bonus', 'whole')"),
        ("active_bonuses_max", "active_bonuses_max > 0"),
        ("xp_per_unit", "xp_per_unit BETWEEN 0 AND 1000"),
    ):
        op.create_check_constraint(op.f(f"ck_operators_{name}"), "operators", condition)


def extend_change_requests() -> None:
    """Bonuses are granted by hand under the same two pairs of eyes as other changes."""
    op.add_column("change_requests", sa.Column("bonus", sa.Text(), nullable=True))
    op.execute("GRANT INSERT (bonus) ON change_requests TO purser_app")
    for name, condition in {
        "kind": _OF_KIND.format(kinds="'change', 'reversal', 'transfer', 'payment', 'unfreeze', 'grant'"),
        "bonus": "jsonb_typeof(bonus::jsonb) = 'object'",
        "asked": _ASKED.format(more=" AND (kind = 'grant') = (bonus IS NOT NULL)"),
        "entry": _ENTRY + " OR (kind = 'grant' AND state = 'approved')",
    }.items():
        op.execute(f"ALTER TABLE change_requests DROP CONSTRAINT IF EXISTS ck_change_requests_{name}")
        op.create_check_constraint(op.f(f"ck_change_requests_{name}"), "change_requests", condition)


_OF_KIND = "kind IN ({kinds})"
_ASKED = (
    "(kind = 'unfreeze') = (currency IS NULL) AND (kind = 'unfreeze') = (change_type IS NULL)"
    " AND (kind = 'reversal') = (reverses IS NOT NULL) AND (kind = 'payment') = (withdrawal_id IS NOT NULL)"
    " AND (kind = 'transfer') = (to_player_id IS NOT NULL){more}"
    " AND (kind = 'unfreeze' OR real_delta <> 0 OR bonus_delta <> 0)"
)
_ENTRY = "(state IN ('posted', 'approved') AND kind <> 'unfreeze') = (sequence IS NOT NULL)"


def create_tables() -> None:
    op.create_table(
        "bonus_offers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("percent", sa.BigInteger(), nullable=True),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.Column("wagering_multiplier", sa.Numeric(precision=7, scale=2), nullable=False),
        sa.Column("wagering_base", sa.Text(), nullable=False),
        sa.Column("max_bet", sa.BigInteger(), nullable=True),
        sa.Column("max_win", sa.BigInteger(), nullable=True),
        sa.Column("validity_days", sa.BigInteger(), nullable=False),
        sa.Column("levels", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'amount' THEN amount > 0 AND percent IS NULL AND cap IS NULL ELSE amount IS NULL AND percent BETWEEN 1 AND 1000 AND cap > 0 END",
            name=op.f("ck_bonus_offers_gives"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_bonus_offers_currency")),
        sa.CheckConstraint("kind IN ('amount', 'percent')", name=op.f("ck_bonus_offers_kind")),
        sa.CheckConstraint(
            "source IN ('welcome', 'deposit', 'invite', 'sms', 'tournament', 'happy_hour', 'cashback', 'progress', 'daily_entry', 'wheel_of_fortune', 'manual')",
            name=op.f("ck_bonus_offers_source"),
        ),
        sa.CheckConstraint("state IN ('active', 'retired')", name=op.f("ck_bonus_offers_state")),
        sa.CheckConstraint(
            "wagering_base IN ('bonus', 'deposit_and_bonus')", name=op.f("ck_bonus_offers_wagering_base")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_bonus_offers_name")),
        sa.CheckConstraint("max_bet > 0", name=op.f("ck_bonus_offers_max_bet")),
        sa.CheckConstraint("max_win > 0", name=op.f("ck_bonus_offers_max_win")),
        sa.CheckConstraint("validity_days BETWEEN 1 AND 3650", name=op.f("ck_bonus_offers_validity_days")),
        sa.CheckConstraint(
            "wagering_multiplier BETWEEN 0 AND 1000", name=op.f("ck_bonus_offers_wagering_multiplier")
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_bonus_offers_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bonus_offers")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_bonus_offers_id_operator_id")),
        sa.UniqueConstraint("operator_id", "name", name=op.f("uq_bonus_offers_operator_id_name")),
    )
    op.create_table(
        "rule_sets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "jsonb_typeof(definition::jsonb) = 'object'", name=op.f("ck_rule_sets_definition")
        ),
        sa.CheckConstraint("state IN ('draft', 'active', 'retired')", name=op.f("ck_rule_sets_state")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_rule_sets_name")),
        sa.CheckConstraint("version > 0", name=op.f("ck_rule_sets_version")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_rule_sets_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_sets")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_rule_sets_id_operator_id")),
        sa.UniqueConstraint(
            "operator_id", "name", "version", name=op.f("uq_rule_sets_operator_id_name_version")
        ),
    )
    op.create_table(
        "games",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("rule_set_id", sa.BigInteger(), nullable=False),
        sa.Column("dealing", sa.Text(), nullable=False),
        sa.Column("public_salt", sa.Text(), nullable=False),
        sa.Column("min_bet", sa.BigInteger(), nullable=False),
        sa.Column("max_bet", sa.BigInteger(), nullable=False),
        sa.Column("exposure_max", sa.BigInteger(), nullable=True),
        sa.Column("betting_seconds", sa.BigInteger(), nullable=False),
        sa.Column("pause_seconds", sa.BigInteger(), nullable=False),
        sa.Column("is_running", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT is_running OR (state = 'active' AND dealing = 'automatic')", name=op.f("ck_games_is_running")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_games_currency")),
        sa.CheckConstraint("dealing IN ('automatic', 'manual')", name=op.f("ck_games_dealing")),
        sa.CheckConstraint("public_salt ~ '^[a-z0-9-]{1,40}$'", name=op.f("ck_games_public_salt")),
        sa.CheckConstraint("state IN ('active', 'retired')", name=op.f("ck_games_state")),
        sa.CheckConstraint("betting_seconds BETWEEN 1 AND 3600", name=op.f("ck_games_betting_seconds")),
        sa.CheckConstraint("exposure_max > 0", name=op.f("ck_games_exposure_max")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_games_name")),
        sa.CheckConstraint("min_bet > 0 AND max_bet >= min_bet", name=op.f("ck_games_bets")),
        sa.CheckConstraint("pause_seconds BETWEEN 0 AND 3600", name=op.f("ck_games_pause_seconds")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_games_operator_id")),
        sa.ForeignKeyConstraint(
            ["rule_set_id", "operator_id"],
            ["rule_sets.id", "rule_sets.operator_id"],
            name=op.f("fk_games_rule_set_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_games")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_games_id_operator_id")),
        sa.UniqueConstraint("operator_id", "name", name=op.f("uq_games_operator_id_name")),
    )
    op.create_table(
        "bonus_offer_terms",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("contribution_percent", sa.SmallInteger(), server_default=sa.text("100"), nullable=False),
        sa.Column("is_restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "NOT is_restricted OR selection = ''", name=op.f("ck_bonus_offer_terms_is_restricted")
        ),
        sa.CheckConstraint(
            "contribution_percent BETWEEN 0 AND 100", name=op.f("ck_bonus_offer_terms_contribution_percent")
        ),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_bonus_offer_terms_game_id")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["bonus_offers.id"], name=op.f("fk_bonus_offer_terms_offer_id")
        ),
        sa.PrimaryKeyConstraint("offer_id", "game_id", "selection", name=op.f("pk_bonus_offer_terms")),
    )
    op.create_table(
        "deal_statistics",
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("cards_dealt", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("rounds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("cards_dealt BETWEEN 1 AND 49", name=op.f("ck_deal_statistics_cards_dealt")),
        sa.CheckConstraint("rounds >= 0", name=op.f("ck_deal_statistics_rounds")),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_deal_statistics_game_id")),
        sa.PrimaryKeyConstraint("game_id", "month", "cards_dealt", name=op.f("pk_deal_statistics")),
    )
    op.create_table(
        "game_statistics",
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("voided", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bets", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("wagered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_game_statistics_game_id")),
        sa.PrimaryKeyConstraint("game_id", "month", name=op.f("pk_game_statistics")),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("rule_set_id", sa.BigInteger(), nullable=False),
        sa.Column("dealing", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("public_salt", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("betting_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("commitment", sa.LargeBinary(), nullable=True),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("seed", sa.LargeBinary(), nullable=True),
        sa.Column("joker", sa.SmallInteger(), nullable=True),
        sa.Column("cards", sa.ARRAY(sa.SmallInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bets", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("players", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("staked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("staked_andar", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("staked_bahar", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(dealing = 'automatic') = (commitment IS NOT NULL) AND octet_length(commitment) = 32 AND (dealing = 'automatic') = (seed_sealed IS NOT NULL)",
            name=op.f("ck_rounds_commitment"),
        ),
        sa.CheckConstraint(
            "(state <> 'betting') OR betting_ends_at IS NOT NULL", name=op.f("ck_rounds_betting_ends_at")
        ),
        sa.CheckConstraint(
            "(state IN ('settled', 'voided')) = (ended_at IS NOT NULL)", name=op.f("ck_rounds_ended_at")
        ),
        sa.CheckConstraint(
            "(void_reason IS NOT NULL) = (state = 'voided')", name=op.f("ck_rounds_void_reason")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_rounds_currency")),
        sa.CheckConstraint("dealing IN ('automatic', 'manual')", name=op.f("ck_rounds_dealing")),
        sa.CheckConstraint(
            "seed IS NULL OR (state IN ('settled', 'voided') AND sha256(seed) = commitment)",
            name=op.f("ck_rounds_seed"),
        ),
        sa.CheckConstraint(
            "state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling', 'settled', 'voided')",
            name=op.f("ck_rounds_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('scheduled', 'betting', 'locked') OR winner IS NULL",
            name=op.f("ck_rounds_winner_unknown"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('settling', 'settled') OR winner IS NOT NULL", name=op.f("ck_rounds_winner_known")
        ),
        sa.CheckConstraint("winner IN ('andar', 'bahar')", name=op.f("ck_rounds_winner")),
        sa.CheckConstraint(
            "bets >= 0 AND players >= 0 AND staked >= 0 AND paid >= 0 AND staked_andar >= 0 AND staked_bahar >= 0 AND staked >= staked_andar + staked_bahar",
            name=op.f("ck_rounds_totals"),
        ),
        sa.CheckConstraint(
            "cardinality(cards) <= 49 AND 0 <= ALL (cards) AND 51 >= ALL (cards)",
            name=op.f("ck_rounds_cards"),
        ),
        sa.CheckConstraint("cardinality(cards) = 0 OR joker IS NOT NULL", name=op.f("ck_rounds_joker_first")),
        sa.CheckConstraint("joker BETWEEN 0 AND 51", name=op.f("ck_rounds_joker")),
        sa.CheckConstraint("number > 0 AND stage > 0 AND version >= 0", name=op.f("ck_rounds_number")),
        sa.ForeignKeyConstraint(
            ["game_id", "operator_id"],
            ["games.id", "games.operator_id"],
            name=op.f("fk_rounds_game_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["rule_set_id", "operator_id"],
            ["rule_sets.id", "rule_sets.operator_id"],
            name=op.f("fk_rounds_rule_set_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("game_id", "number", name=op.f("uq_rounds_game_id_number")),
        sa.UniqueConstraint("id", "operator_id", "currency", name=op.f("uq_rounds_id_operator_id_currency")),
    )
    op.create_index("ix_rounds_game_id_id", "rounds", ["game_id", "id"], unique=False)
    op.create_index("ix_rounds_operator_id_id", "rounds", ["operator_id", "id"], unique=False)
    op.create_index(
        "uq_rounds_live",
        "rounds",
        ["game_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')"),
    )
    op.create_table(
        "player_game_statistics",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bets", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("wagered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("real_wagered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_player_game_statistics_game_id")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_player_game_statistics_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "game_id", "month", name=op.f("pk_player_game_statistics")),
    )
    op.create_index(
        "ix_player_game_statistics_game_id", "player_game_statistics", ["game_id", "month"], unique=False
    )
    op.create_table(
        "round_closings",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_closings_round_id")),
        sa.PrimaryKeyConstraint("round_id", "stage", name=op.f("pk_round_closings")),
    )
    op.create_table(
        "round_settlements",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("joker", sa.SmallInteger(), nullable=True),
        sa.Column("cards", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bets", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("players", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("staked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("winner IN ('andar', 'bahar')", name=op.f("ck_round_settlements_winner")),
        sa.CheckConstraint(
            "bets >= 0 AND players >= 0 AND staked >= 0 AND paid >= 0",
            name=op.f("ck_round_settlements_totals"),
        ),
        sa.CheckConstraint(
            "done_at IS NULL OR paid_at IS NOT NULL", name=op.f("ck_round_settlements_done_at")
        ),
        sa.CheckConstraint(
            "version = 1 AND winner IS NOT NULL OR length(reason) BETWEEN 1 AND 500",
            name=op.f("ck_round_settlements_reason"),
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_round_settlements_version")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_settlements_round_id")),
        sa.PrimaryKeyConstraint("round_id", "version", name=op.f("pk_round_settlements")),
    )
    op.create_index(
        "ix_round_settlements_open",
        "round_settlements",
        ["round_id"],
        unique=False,
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "bets",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("real_part", sa.BigInteger(), nullable=False),
        sa.Column("bonus_part", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("pays_numerator", sa.BigInteger(), nullable=True),
        sa.Column("pays_denominator", sa.BigInteger(), nullable=True),
        sa.Column("payout", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("payout_real", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("payout_bonus", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("wager_sequence", sa.BigInteger(), nullable=False),
        sa.Column("settlement_sequence", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(pays_denominator IS NOT NULL) = (state IN ('won', 'push', 'lost')) AND (pays_numerator IS NULL) = (pays_denominator IS NULL)",
            name=op.f("ck_bets_pays_known"),
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (version = 0) AND version >= 0", name=op.f("ck_bets_version")
        ),
        sa.CheckConstraint(
            "CASE state WHEN 'won' THEN payout >= amount WHEN 'push' THEN payout = amount WHEN 'void' THEN payout_real = real_part AND payout_bonus = bonus_part ELSE payout = 0 END",
            name=op.f("ck_bets_paid"),
        ),
        sa.CheckConstraint("state IN ('pending', 'won', 'lost', 'push', 'void')", name=op.f("ck_bets_state")),
        sa.CheckConstraint(
            "(payout > 0) = (settlement_sequence IS NOT NULL)", name=op.f("ck_bets_settlement_sequence")
        ),
        sa.CheckConstraint("amount > 0 AND amount = real_part + bonus_part", name=op.f("ck_bets_amount")),
        sa.CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_bets_idempotency_key")),
        sa.CheckConstraint(
            "payout = payout_real + payout_bonus AND payout_real >= 0 AND payout_bonus >= 0",
            name=op.f("ck_bets_payout"),
        ),
        sa.CheckConstraint("pays_numerator >= 0 AND pays_denominator > 0", name=op.f("ck_bets_pays")),
        sa.CheckConstraint("real_part >= 0 AND bonus_part >= 0 AND stage > 0", name=op.f("ck_bets_parts")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_bets_player_id_currency_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "settlement_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            deferrable=True,
            initially="DEFERRED",
            name=op.f("fk_bets_player_id_currency_settlement_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "wager_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_bets_player_id_currency_wager_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["round_id", "operator_id", "currency"],
            ["rounds.id", "rounds.operator_id", "rounds.currency"],
            name=op.f("fk_bets_round_id_operator_id_currency"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_bets")),
        sa.UniqueConstraint("player_id", "idempotency_key", name=op.f("uq_bets_player_id_idempotency_key")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("ix_bets_round_id", "bets", ["round_id", "player_id", "id"], unique=False)
    op.create_table(
        "bonuses",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("wagering_multiplier", sa.Numeric(precision=7, scale=2), nullable=False),
        sa.Column("required", sa.BigInteger(), nullable=False),
        sa.Column("wagered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_bet", sa.BigInteger(), nullable=True),
        sa.Column("max_win", sa.BigInteger(), nullable=True),
        sa.Column("validity_days", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("converted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forfeited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owing", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("grant_sequence", sa.BigInteger(), nullable=True),
        sa.Column("deposit_sequence", sa.BigInteger(), nullable=True),
        sa.Column("completed_round_id", sa.BigInteger(), nullable=True),
        sa.Column("completed_version", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(activated_at IS NULL) = (expires_at IS NULL) AND (activated_at IS NULL) = (grant_sequence IS NULL) AND (state <> 'active' OR activated_at IS NOT NULL) AND (state <> 'queued' OR activated_at IS NULL)",
            name=op.f("ck_bonuses_activated"),
        ),
        sa.CheckConstraint(
            "(state IN ('queued', 'active')) = (ended_at IS NULL) AND (ended_at IS NULL) = (end_reason IS NULL)",
            name=op.f("ck_bonuses_ended"),
        ),
        sa.CheckConstraint(
            "source IN ('welcome', 'deposit', 'invite', 'sms', 'tournament', 'happy_hour', 'cashback', 'progress', 'daily_entry', 'wheel_of_fortune', 'manual')",
            name=op.f("ck_bonuses_source"),
        ),
        sa.CheckConstraint("state = 'active' OR remaining = 0", name=op.f("ck_bonuses_remaining")),
        sa.CheckConstraint(
            "state IN ('queued', 'active', 'completed', 'expired', 'forfeited', 'cancelled')",
            name=op.f("ck_bonuses_state"),
        ),
        sa.CheckConstraint(
            "(completed_round_id IS NULL) = (completed_version IS NULL)", name=op.f("ck_bonuses_completed")
        ),
        sa.CheckConstraint(
            "amount > 0 AND remaining >= 0 AND required >= 0 AND wagered >= 0",
            name=op.f("ck_bonuses_amounts"),
        ),
        sa.CheckConstraint("converted >= 0 AND forfeited >= 0 AND owing >= 0", name=op.f("ck_bonuses_ends")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_bonuses_idempotency_key")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_bonuses_name")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_bonuses_reason")),
        sa.CheckConstraint(
            "max_bet > 0 AND max_win > 0 AND validity_days > 0", name=op.f("ck_bonuses_terms")
        ),
        sa.CheckConstraint("max_win IS NULL OR converted <= max_win", name=op.f("ck_bonuses_max_win")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_bonuses_fingerprint")),
        sa.ForeignKeyConstraint(
            ["completed_round_id", "completed_version"],
            ["round_settlements.round_id", "round_settlements.version"],
            name=op.f("fk_bonuses_completed_round_id_completed_version"),
        ),
        sa.ForeignKeyConstraint(
            ["offer_id", "operator_id"],
            ["bonus_offers.id", "bonus_offers.operator_id"],
            name=op.f("fk_bonuses_offer_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "deposit_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_bonuses_player_id_currency_deposit_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "grant_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_bonuses_player_id_currency_grant_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_bonuses_player_id_currency_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_bonuses")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_bonuses_player_id_idempotency_key")
        ),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_bonuses_expires_at",
        "bonuses",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "ix_bonuses_granted_by",
        "bonuses",
        ["granted_by", "granted_at"],
        unique=False,
        postgresql_where=sa.text("granted_by <> 'system'"),
    )
    op.create_index(
        "ix_bonuses_queued",
        "bonuses",
        ["player_id", "currency"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_bonuses_deposit",
        "bonuses",
        ["player_id", "currency", "deposit_sequence", "offer_id"],
        unique=True,
        postgresql_where=sa.text("deposit_sequence IS NOT NULL AND state <> 'cancelled'"),
    )
    op.create_index(
        "ix_bonuses_open",
        "bonuses",
        ["player_id", "currency", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'active')"),
    )
    op.create_index("ix_bonuses_operator_id_id", "bonuses", ["operator_id", "id"], unique=False)
    op.create_table(
        "bonus_stakes",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bet_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bonus_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("counted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "amount > 0 AND returned >= 0 AND counted >= 0", name=op.f("ck_bonus_stakes_amounts")
        ),
        sa.CheckConstraint("credited IN (0, returned)", name=op.f("ck_bonus_stakes_credited")),
        sa.ForeignKeyConstraint(
            ["player_id", "bet_id"],
            ["bets.player_id", "bets.id"],
            name=op.f("fk_bonus_stakes_player_id_bet_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "bonus_id"],
            ["bonuses.player_id", "bonuses.id"],
            name=op.f("fk_bonus_stakes_player_id_bonus_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "bet_id", "bonus_id", name=op.f("pk_bonus_stakes")),
    )
    op.create_index(
        "ix_bonus_stakes_bonus_id", "bonus_stakes", ["player_id", "bonus_id", "bet_id"], unique=False
    )
    op.create_table(
        "bonus_terms",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bonus_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("contribution_percent", sa.SmallInteger(), nullable=False),
        sa.Column("is_restricted", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "contribution_percent BETWEEN 0 AND 100", name=op.f("ck_bonus_terms_contribution_percent")
        ),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_bonus_terms_game_id")),
        sa.ForeignKeyConstraint(
            ["player_id", "bonus_id"],
            ["bonuses.player_id", "bonuses.id"],
            name=op.f("fk_bonus_terms_player_id_bonus_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "bonus_id", "game_id", "selection", name=op.f("pk_bonus_terms")),
    )


def downgrade() -> None:
    for table in (
        "bonus_terms",
        "bonus_stakes",
        "bonuses",
        "bets",
        "round_settlements",
        "round_closings",
        "player_game_statistics",
        "rounds",
        "game_statistics",
        "deal_statistics",
        "bonus_offer_terms",
        "games",
        "rule_sets",
        "bonus_offers",
    ):
        op.drop_table(table)
    op.execute("DELETE FROM change_requests WHERE kind = 'grant'")
    for name, condition in {
        "kind": _OF_KIND.format(kinds="'change', 'reversal', 'transfer', 'payment', 'unfreeze'"),
        "asked": _ASKED.format(more=""),
        "entry": _ENTRY,
    }.items():
        op.drop_constraint(op.f(f"ck_change_requests_{name}"), "change_requests")
        op.create_check_constraint(op.f(f"ck_change_requests_{name}"), "change_requests", condition)
    op.drop_column("change_requests", "bonus")
    for column in ("stake_order", "wagering_counts", "active_bonuses_max", "xp_per_unit"):
        op.drop_column("operators", column)
