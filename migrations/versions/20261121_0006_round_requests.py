"""A second person for voiding or correcting a settled round.

Revision 20261121_0006, after 20261121_0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0006"
down_revision = "20261121_0005"
branch_labels = None
depends_on = None

ASKED = (
    *("operator_id", "round_id", "kind", "version", "joker", "cards", "reason"),
    *("requested_by", "requested_at", "lapses_at"),
)
ENDING = ("state", "decided_by", "decided_at", "decision_reason", "ended_at")


def upgrade() -> None:
    op.add_column("round_settlements", sa.Column("approved_by", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_round_settlements_second_person"),
        "round_settlements",
        "approved_by ~ '^staff:' AND approved_by <> made_by",
    )
    # What staff have amended before there were requests stands as it is.
    op.execute("""
        ALTER TABLE round_settlements ADD CONSTRAINT ck_round_settlements_approved_by
        CHECK (version = 1 OR made_by !~ '^staff:' OR approved_by IS NOT NULL) NOT VALID
    """)
    op.execute("""
        DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM round_settlements WHERE version > 1 AND made_by ~ '^staff:') THEN
            ALTER TABLE round_settlements VALIDATE CONSTRAINT ck_round_settlements_approved_by;
          END IF;
        END $$
    """)
    op.create_table(
        "round_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("joker", sa.SmallInteger(), nullable=True),
        sa.Column("cards", sa.ARRAY(sa.SmallInteger()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('void', 'correction')", name=op.f("ck_round_requests_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'declined', 'lapsed')", name=op.f("ck_round_requests_state")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_round_requests_version")),
        sa.CheckConstraint(
            "(kind = 'correction') = (joker IS NOT NULL) AND (joker IS NULL) = (cards IS NULL) AND joker BETWEEN 0 AND 51 AND cardinality(cards) BETWEEN 1 AND 49 AND 0 <= ALL (cards) AND 51 >= ALL (cards)",
            name=op.f("ck_round_requests_cards"),
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_round_requests_reason")),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_round_requests_second_person")),
        sa.CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name=op.f("ck_round_requests_decision"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_round_requests_ended_at")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["logins.id"], name=op.f("fk_round_requests_decided_by")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_round_requests_operator_id")
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["logins.id"], name=op.f("fk_round_requests_requested_by")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_requests_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_requests")),
    )
    op.create_index(
        "uq_round_requests_waiting",
        "round_requests",
        ["round_id"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_round_requests_inbox", "round_requests", ["operator_id", "state", "requested_at", "id"]
    )
    op.create_index("ix_round_requests_round_id", "round_requests", ["round_id", "version"])
    op.execute(
        f"GRANT SELECT, INSERT ({', '.join(ASKED)}), UPDATE ({', '.join(ENDING)})"
        " ON round_requests TO purser_app"
    )
    op.execute("GRANT SELECT ON round_requests TO purser_report")


def downgrade() -> None:
    op.drop_table("round_requests")
    op.drop_column("round_settlements", "approved_by")
