"""What imports of loyalty made: members, old rows, tiers, and the reports.

Revision 20261121_0009, after 20261121_0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0009"
down_revision = "20261121_0008"
branch_labels = None
depends_on = None

TABLES = ("legacy_members", "legacy_loyalty_rows", "legacy_tiers", "legacy_reports")


def upgrade() -> None:
    op.create_table(
        "legacy_members",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("loaded", "redeemed", "inactive", "deleted", "expired", "short", "balance")
        ),
        sa.Column("made", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "loaded - redeemed - inactive - deleted - expired + short = balance",
            name=op.f("ck_legacy_members_adds_up"),
        ),
        sa.CheckConstraint(
            "redeemed >= 0 AND expired >= 0 AND short >= 0 AND balance >= 0",
            name=op.f("ck_legacy_members_parts"),
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_legacy_members_digest")),
        sa.CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name=op.f("ck_legacy_members_made")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_legacy_members_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "operator_id"],
            ["legacy_runs.id", "legacy_runs.operator_id"],
            name=op.f("fk_legacy_members_run_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", name=op.f("pk_legacy_members")),
    )
    op.create_index("ix_legacy_members_run_id", "legacy_members", ["run_id", "player_id"])
    op.create_index(
        "ix_legacy_members_short",
        "legacy_members",
        ["run_id", "player_id"],
        postgresql_where=sa.text("short > 0"),
    )
    op.create_table(
        "legacy_loyalty_rows",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("old_table", sa.Text(), nullable=False),
        sa.Column("old_id", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kept", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("short", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("card_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "old_table IN ('loyalty_points', 'loyalty_redemptions', 'patient_loyalty_cards',"
            " 'loyalty_card_tier_history')",
            name=op.f("ck_legacy_loyalty_rows_old_table"),
        ),
        sa.CheckConstraint("line > 0", name=op.f("ck_legacy_loyalty_rows_line")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_legacy_loyalty_rows_digest")),
        sa.CheckConstraint("jsonb_typeof(kept::jsonb) = 'object'", name=op.f("ck_legacy_loyalty_rows_kept")),
        sa.CheckConstraint(
            "outcome IN ('moved', 'inactive', 'deleted', 'left_out')",
            name=op.f("ck_legacy_loyalty_rows_outcome"),
        ),
        sa.CheckConstraint("short >= 0", name=op.f("ck_legacy_loyalty_rows_short")),
        sa.ForeignKeyConstraint(
            ["player_id"], ["legacy_members.player_id"], name=op.f("fk_legacy_loyalty_rows_player_id")
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "sequence"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_legacy_loyalty_rows_player_id_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "card_id"],
            ["loyalty_cards.player_id", "loyalty_cards.id"],
            name=op.f("fk_legacy_loyalty_rows_player_id_card_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "old_table", "old_id", name=op.f("pk_legacy_loyalty_rows")),
    )
    op.create_table(
        "legacy_tiers",
        sa.Column("tier_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("old_id", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name=op.f("ck_legacy_tiers_made")),
        sa.ForeignKeyConstraint(
            ["tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_legacy_tiers_tier_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "operator_id"],
            ["legacy_runs.id", "legacy_runs.operator_id"],
            name=op.f("fk_legacy_tiers_run_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("tier_id", name=op.f("pk_legacy_tiers")),
    )
    op.create_index("ix_legacy_tiers_run_id", "legacy_tiers", ["run_id"])
    op.create_table(
        "legacy_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "command IN ('legacy-loyalty', 'loyalty-coupons')", name=op.f("ck_legacy_reports_command")
        ),
        sa.CheckConstraint("jsonb_typeof(report::jsonb) = 'object'", name=op.f("ck_legacy_reports_report")),
        sa.ForeignKeyConstraint(
            ["run_id", "operator_id"],
            ["legacy_runs.id", "legacy_runs.operator_id"],
            name=op.f("fk_legacy_reports_run_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_reports")),
    )
    op.create_index("ix_legacy_reports_operator_id", "legacy_reports", ["operator_id", "id"])
    op.create_index("ix_legacy_reports_run_id", "legacy_reports", ["run_id"])
    op.execute(f"GRANT SELECT, INSERT ON {', '.join(TABLES)} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO purser_report")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
