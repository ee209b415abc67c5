"""Loyalty in sums that are kept, what moved by day and members by tier; orders of members by index.

Revision 20261121_0011, after 20261121_0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0011"
down_revision = "20261121_0010"
branch_labels = None
depends_on = None

# Rows are added, and made one of.
TABLES = ("loyalty_days", "tier_members")
KINDS = (
    "'load', 'redeem', 'refund_service', 'refund_wallet', 'expire', 'adjustment', 'convert', 'transfer_tier',"
    " 'reversal'"
)


def upgrade() -> None:
    op.create_table(
        "loyalty_days",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_loyalty_days_kind")),
        sa.PrimaryKeyConstraint("operator_id", "day", "kind", "id", name=op.f("pk_loyalty_days")),
    )
    op.create_table(
        "tier_members",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tier_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("operator_id", "tier_id", "id", name=op.f("pk_tier_members")),
    )
    count_what_is_there()
    op.create_index("ix_loyalty_wallets_balance", "loyalty_wallets", ["operator_id", "balance", "player_id"])
    op.create_index(
        "ix_loyalty_wallets_tier_ends",
        "loyalty_wallets",
        ["operator_id", sa.text("COALESCE(tier_valid_until, '9999-12-31'::date)"), "player_id"],
    )
    op.execute(f"GRANT SELECT, INSERT, DELETE ON {', '.join(TABLES)} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO purser_report")


def count_what_is_there() -> None:
    # Who moves points now is counted here or after it, not in between.
    op.execute("LOCK TABLE loyalty_wallets, loyalty_entries IN SHARE MODE")
    op.execute("""
    INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
    SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date), kind, count(*), sum(points),
           coalesce(sum(payment_amount), 0)
    FROM loyalty_entries GROUP BY 1, 2, 3
    """)
    op.execute("""
    INSERT INTO tier_members (operator_id, tier_id, members)
    SELECT operator_id, coalesce(tier_id, 0), count(*) FROM loyalty_wallets GROUP BY 1, 2
    """)


def downgrade() -> None:
    op.drop_index("ix_loyalty_wallets_tier_ends", "loyalty_wallets")
    op.drop_index("ix_loyalty_wallets_balance", "loyalty_wallets")
    for table in TABLES:
        op.drop_table(table)
