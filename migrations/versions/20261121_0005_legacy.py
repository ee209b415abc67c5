"""What moved in from the old tables.

Revision 20261121_0005, after 20261121_0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0005"
down_revision = "20261121_0004"
branch_labels = None
depends_on = None

TABLES = ("legacy_runs", "legacy_players", "legacy_rows")


def upgrade() -> None:
    op.create_table(
        "legacy_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{16}$'", name=op.f("ck_legacy_runs_digest")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_legacy_runs_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_runs")),
        sa.UniqueConstraint("operator_id", "digest", name=op.f("uq_legacy_runs_operator_id_digest")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_legacy_runs_id_operator_id")),
    )
    op.create_table(
        "legacy_players",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name=op.f("ck_legacy_players_made")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_legacy_players_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "operator_id"],
            ["legacy_runs.id", "legacy_runs.operator_id"],
            name=op.f("fk_legacy_players_run_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", name=op.f("pk_legacy_players")),
    )
    op.create_index("ix_legacy_players_run_id", "legacy_players", ["run_id"])
    op.create_table(
        "legacy_rows",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("old_table", sa.Text(), nullable=False),
        sa.Column("old_id", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kept", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("bonus_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "old_table IN ('users', 'wallets', 'balances', 'vip_infos', 'player_bonuses')",
            name=op.f("ck_legacy_rows_old_table"),
        ),
        sa.CheckConstraint("line > 0", name=op.f("ck_legacy_rows_line")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_legacy_rows_digest")),
        sa.CheckConstraint("jsonb_typeof(kept::jsonb) = 'object'", name=op.f("ck_legacy_rows_kept")),
        sa.ForeignKeyConstraint(
            ["player_id"], ["legacy_players.player_id"], name=op.f("fk_legacy_rows_player_id")
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "bonus_id"],
            ["bonuses.player_id", "bonuses.id"],
            name=op.f("fk_legacy_rows_player_id_bonus_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "old_table", "old_id", name=op.f("pk_legacy_rows")),
    )
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO purser_report")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
