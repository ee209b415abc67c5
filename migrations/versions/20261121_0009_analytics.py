"""Analytics: rollups of the journals by day, and exchange rates.

Revision 20261121_0009, after 20261121_0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0009"
down_revision = "20261121_0008"
branch_labels = None
depends_on = None

TABLES = (*("daily_totals", "daily_activity", "daily_balances", "rollup_marks", "rollup_passes", "fx_rates"),)


def upgrade() -> None:
    create_tables()
    # What was rolled up is made again from the entries, where an operator's days become others.
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO purser_report")


def create_tables() -> None:
    op.create_table(
        "fx_rates",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("per_eur", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_fx_rates_currency")),
        sa.CheckConstraint("per_eur > 0", name=op.f("ck_fx_rates_per_eur")),
        sa.PrimaryKeyConstraint("currency", "day", name=op.f("pk_fx_rates")),
    )
    op.create_table(
        "rollup_passes",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rollup_passes_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup_passes")),
    )
    op.create_table(
        "daily_activity",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_daily_activity_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_daily_activity_contra_account"),
        ),
        sa.CheckConstraint(
            "level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_daily_activity_level"),
        ),
        sa.CheckConstraint("entries > 0 AND credits >= 0", name=op.f("ck_daily_activity_counts")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_daily_activity_operator_id")
        ),
        sa.PrimaryKeyConstraint(
            "operator_id",
            "currency",
            "day",
            "agent_id",
            "level",
            "change_type",
            "contra_account",
            name=op.f("pk_daily_activity"),
        ),
    )
    op.create_table(
        "daily_totals",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_daily_totals_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_daily_totals_contra_account"),
        ),
        sa.CheckConstraint("entries > 0 AND credits >= 0", name=op.f("ck_daily_totals_counts")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_daily_totals_operator_id")),
        sa.PrimaryKeyConstraint(
            "operator_id", "currency", "day", "change_type", "contra_account", name=op.f("pk_daily_totals")
        ),
    )
    op.create_table(
        "daily_balances",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("bonus_closing", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("entries > 0", name=op.f("ck_daily_balances_entries")),
        sa.CheckConstraint(
            "low <= least(opening, closing) AND high >= greatest(opening, closing)",
            name=op.f("ck_daily_balances_range"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_daily_balances_player_id_currency_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", "day", name=op.f("pk_daily_balances")),
    )
    op.create_index(
        "ix_daily_balances_operator_id_day",
        "daily_balances",
        ["operator_id", "currency", "day", "player_id"],
        unique=False,
        postgresql_include=["opening", "closing"],
    )
    op.create_table(
        "rollup_marks",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_rollup_marks_player_id_currency_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", name=op.f("pk_rollup_marks")),
        postgresql_with={"fillfactor": "70"},
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
