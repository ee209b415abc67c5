"""Partners: contracts, referrals, earnings, statements, payouts, and what their database role may read.

Revision 20261121_0007, after 20261121_0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0007"
down_revision = "20261121_0006"
branch_labels = None
depends_on = None

APPENDED = (
    *("partner_status_changes", "partner_minimums", "referrals", "partner_game_earnings"),
    *("partner_period_players", "partner_statement_lines"),
)
# What was agreed and earned stands; only how it goes on changes.
UPDATABLE = {
    "partners": ("name", "status", "payout_details"),
    "partner_contracts": ("accepted_at", "accepted_by"),
    "partner_accounts": ("total", "pending", "approved", "reserved", "paid", "closed_through"),
    "partner_shown_earnings": ("state", "decided_by", "decided_at", "reason", "statement_id"),
    "partner_shown_periods": (*("rounds", "players", "bets", "payouts", "profit", "earned", "is_named"),),
    "partner_statements": ("state", "decided_by", "decided_at", "decision_reason", "paid_at"),
    "partner_payouts": (
        *("state", "approved_by", "approved_at", "ended_by", "ended_at", "reference", "reason"),
    ),
}
# Beside these nothing is written with a new row: a decision is somebody else's, later.
INSERTABLE = {
    "partner_statements": (
        *("partner_id", "operator_id", "currency", "month", "rows", "bets", "payouts", "profit", "opening"),
        *("earned", "written_off", "closing", "minimum", "payable", "carried", "closed_by", "closed_at"),
    ),
    "partner_payouts": (
        *("partner_id", "operator_id", "currency", "amount", "payout_details", "idempotency_key"),
        *("requested_by", "requested_at"),
    ),
}
# What a partner's own connection can read, each row if it is theirs and may be seen; nothing else.
SHOWN = {
    "partner_accounts": ("*", "true"),
    "partner_shown_earnings": (
        "id, partner_id, currency, game_id, round_number, settlement_version, day, settled_at, players, bets,"
        " payouts, profit, earned, is_open, state, approve_at, reason, statement_id",
        "is_open",
    ),
    # So that one known bet does not reveal the share.
    "partner_shown_periods": ("*", "(kind = 'month' OR players >= 5 OR is_named)"),
    "partner_statements": (
        "id, partner_id, currency, month, state, rows, bets, payouts, profit, opening, earned, written_off,"
        " closing, minimum, payable, carried, closed_at, decided_at, paid_at",
        "state <> 'declined'",
    ),
    "partner_statement_lines": ("*", "true"),
    "partner_payouts": (
        "id, partner_id, currency, amount, payout_details, state, requested_at, approved_at, ended_at,"
        " reference, reason",
        "true",
    ),
}
_ME = "nullif(current_setting('purser.partner_id', true), '')::bigint"
VIEWS = {
    "partner_self": f"""
        SELECT p.id, p.name, p.code, p.status, p.payout_details, p.created_at, o.name AS operator_name,
               o.currency AS home_currency, o.timezone, o.referral_url
        FROM partners p JOIN operators o ON o.id = p.operator_id WHERE p.id = {_ME}""",
    "partner_games": f"""
        SELECT g.id, g.name, g.currency FROM games g
        WHERE g.operator_id = (SELECT operator_id FROM partners WHERE id = {_ME})""",
    "partner_terms": f"""
        SELECT c.id, c.version, c.valid_from, c.loss_policy, c.counts, c.disclosure, c.hold_days, c.accepted_at,
               CASE c.disclosure WHEN 'terms' THEN c.share_bp END AS share_bp,
               CASE c.disclosure WHEN 'terms' THEN c.rate_bp END AS rate_bp
        FROM partner_contracts c WHERE c.partner_id = {_ME}""",
    "partner_term_minimums": f"""
        SELECT c.version, m.currency, m.amount
        FROM partner_minimums m JOIN partner_contracts c ON c.id = m.contract_id WHERE c.partner_id = {_ME}""",
    # How many players are a partner's now: the last referral of each decides.
    "partner_referred": f"""
        SELECT r.since FROM referrals r
        WHERE r.partner_id = {_ME} AND NOT EXISTS (
          SELECT FROM referrals later WHERE later.player_id = r.player_id AND later.since > r.since)""",
}


def upgrade() -> None:
    op.add_column("operators", sa.Column("referral_url", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_operators_referral_url"),
        "operators",
        "referral_url LIKE 'https://%{code}%' AND length(referral_url) <= 300",
    )
    create_tables()
    extend_logins()
    for table in APPENDED:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO purser_app")
    for table, columns in UPDATABLE.items():
        written = f"INSERT ({', '.join(INSERTABLE[table])})" if table in INSERTABLE else "INSERT"
        op.execute(f"GRANT SELECT, {written}, UPDATE ({', '.join(columns)}) ON {table} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join((*APPENDED, *UPDATABLE))} TO purser_report")
    show_to_partners()


def extend_logins() -> None:
    """Every partner user belongs to a partner: those who are there already get one."""
    op.add_column("logins", sa.Column("partner_id", sa.BigInteger(), nullable=True))
    op.execute(
        "INSERT INTO partners (operator_id, name, code, status, created_by, created_at)"
        " SELECT operator_id, left(name, 100), 'partner-' || id, 'active', 'system', now()"
        " FROM logins WHERE role = 'partner'"
    )
    op.execute(
        "INSERT INTO partner_status_changes (partner_id, since, status, reason, made_by)"
        " SELECT id, created_at, status, 'Was a user before', 'system' FROM partners"
    )
    op.execute(
        "UPDATE logins l SET partner_id = p.id FROM partners p"
        " WHERE p.operator_id = l.operator_id AND p.code = 'partner-' || l.id"
    )
    op.create_foreign_key(
        op.f("fk_logins_partner_id_operator_id"),
        "logins",
        "partners",
        ["partner_id", "operator_id"],
        ["id", "operator_id"],
    )
    op.create_check_constraint(
        op.f("ck_logins_partner_id"), "logins", "(role = 'partner') = (partner_id IS NOT NULL)"
    )
    op.create_index("ix_logins_partner_id", "logins", ["partner_id"])


def show_to_partners() -> None:
    for table, (columns, condition) in SHOWN.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        # The owner is under it too, so that no view or function of the owner's reads past it unseen. No
        # policy names that role: a backup is brought back by whoever owns the database there.
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY desk ON {table} TO pg_database_owner, purser_app USING (true) WITH CHECK (true)"
        )
        op.execute(f"CREATE POLICY report ON {table} FOR SELECT TO purser_report USING (true)")
        op.execute(
            f"CREATE POLICY own ON {table} FOR SELECT TO purser_partner"
            f" USING (partner_id = {_ME} AND {condition})"
        )
        of_columns = "" if columns == "*" else f" ({columns})"
        op.execute(f"GRANT SELECT{of_columns} ON {table} TO purser_partner")
    for view, query in VIEWS.items():
        op.execute(f"CREATE VIEW {view} WITH (security_barrier) AS {query}")
        op.execute(f"GRANT SELECT ON {view} TO purser_partner")


def downgrade() -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    op.drop_constraint(op.f("ck_logins_partner_id"), "logins")
    op.drop_column("logins", "partner_id")
    op.drop_column("operators", "referral_url")
    for table in (
        *("partner_payouts", "partner_statement_lines", "partner_shown_earnings", "partner_statements"),
        *("partner_period_players", "partner_shown_periods", "partner_game_earnings", "partner_accounts"),
        *("referrals", "partner_minimums", "partner_contracts", "partner_status_changes", "partners"),
    ):
        op.drop_table(table)


def create_tables() -> None:
    op.create_table(
        "partners",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payout_details", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z0-9](-?[a-z0-9]){2,39}$'", name=op.f("ck_partners_code")),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'suspended', 'blocked')", name=op.f("ck_partners_status")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_partners_name")),
        sa.CheckConstraint("length(payout_details) <= 1000", name=op.f("ck_partners_payout_details")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_partners_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_partners_id_operator_id")),
        sa.UniqueConstraint("operator_id", "code", name=op.f("uq_partners_operator_id_code")),
    )
    op.create_table(
        "partner_accounts",
        sa.Column("partner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("approved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_through", sa.Date(), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_partner_accounts_currency")),
        sa.CheckConstraint(
            "extract(day FROM closed_through) = 1", name=op.f("ck_partner_accounts_closed_through")
        ),
        sa.CheckConstraint(
            "reserved >= 0 AND paid >= 0 AND reserved + paid <= approved",
            name=op.f("ck_partner_accounts_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id", "operator_id"],
            ["partners.id", "partners.operator_id"],
            name=op.f("fk_partner_accounts_partner_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("partner_id", "currency", name=op.f("pk_partner_accounts")),
    )
    op.create_table(
        "partner_status_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'suspended', 'blocked')",
            name=op.f("ck_partner_status_changes_status"),
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_partner_status_changes_reason")),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_status_changes_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_status_changes")),
    )
    op.create_index(
        "ix_partner_status_changes_partner_id_since",
        "partner_status_changes",
        ["partner_id", "since", "id"],
        unique=False,
    )
    op.create_table(
        "partner_contracts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("share_bp", sa.BigInteger(), nullable=False),
        sa.Column("rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("loss_policy", sa.Text(), server_default=sa.text("'period'"), nullable=False),
        sa.Column("counts", sa.Text(), server_default=sa.text("'real'"), nullable=False),
        sa.Column("disclosure", sa.Text(), server_default=sa.text("'basis'"), nullable=False),
        sa.Column("hold_days", sa.BigInteger(), server_default=sa.text("7"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("counts IN ('real', 'whole')", name=op.f("ck_partner_contracts_counts")),
        sa.CheckConstraint("disclosure IN ('basis', 'terms')", name=op.f("ck_partner_contracts_disclosure")),
        sa.CheckConstraint(
            "loss_policy IN ('per_round', 'period', 'carry')", name=op.f("ck_partner_contracts_loss_policy")
        ),
        sa.CheckConstraint(
            "(accepted_at IS NULL) = (accepted_by IS NULL)", name=op.f("ck_partner_contracts_accepted")
        ),
        sa.CheckConstraint("hold_days BETWEEN 0 AND 90", name=op.f("ck_partner_contracts_hold_days")),
        sa.CheckConstraint("rate_bp BETWEEN 1 AND 10000", name=op.f("ck_partner_contracts_rate_bp")),
        sa.CheckConstraint("share_bp BETWEEN 1 AND 10000", name=op.f("ck_partner_contracts_share_bp")),
        sa.CheckConstraint("version > 0", name=op.f("ck_partner_contracts_version")),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["logins.id"], name=op.f("fk_partner_contracts_accepted_by")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_contracts_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_contracts")),
        sa.UniqueConstraint("id", "partner_id", name=op.f("uq_partner_contracts_id_partner_id")),
        sa.UniqueConstraint("partner_id", "version", name=op.f("uq_partner_contracts_partner_id_version")),
    )
    op.create_table(
        "partner_payouts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("payout_details", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'requested'"), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL) AND (state <> 'requested' OR approved_by IS NULL) AND (state NOT IN ('approved', 'paid') OR approved_by IS NOT NULL)",
            name=op.f("ck_partner_payouts_approved"),
        ),
        sa.CheckConstraint(
            "(state = 'paid') = (reference IS NOT NULL) AND length(reference) BETWEEN 1 AND 100",
            name=op.f("ck_partner_payouts_reference"),
        ),
        sa.CheckConstraint(
            "(state = 'rejected') = (reason IS NOT NULL) AND length(reason) BETWEEN 1 AND 500",
            name=op.f("ck_partner_payouts_reason"),
        ),
        sa.CheckConstraint(
            "(state IN ('paid', 'rejected')) = (ended_at IS NOT NULL) AND (ended_at IS NULL) = (ended_by IS NULL)",
            name=op.f("ck_partner_payouts_ended"),
        ),
        sa.CheckConstraint(
            "state <> 'paid' OR (ended_by <> approved_by AND ended_by <> requested_by)",
            name=op.f("ck_partner_payouts_payer"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'paid', 'rejected')", name=op.f("ck_partner_payouts_state")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_partner_payouts_amount")),
        sa.CheckConstraint("approved_by <> requested_by", name=op.f("ck_partner_payouts_second_person")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_partner_payouts_idempotency_key")
        ),
        sa.ForeignKeyConstraint(["approved_by"], ["logins.id"], name=op.f("fk_partner_payouts_approved_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["logins.id"], name=op.f("fk_partner_payouts_ended_by")),
        sa.ForeignKeyConstraint(
            ["partner_id", "currency"],
            ["partner_accounts.partner_id", "partner_accounts.currency"],
            name=op.f("fk_partner_payouts_partner_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id", "operator_id"],
            ["partners.id", "partners.operator_id"],
            name=op.f("fk_partner_payouts_partner_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["logins.id"], name=op.f("fk_partner_payouts_requested_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_payouts")),
        sa.UniqueConstraint(
            "partner_id", "idempotency_key", name=op.f("uq_partner_payouts_partner_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_partner_payouts_inbox",
        "partner_payouts",
        ["operator_id", "state", "requested_at", "id"],
        unique=False,
    )
    op.create_index("ix_partner_payouts_partner_id_id", "partner_payouts", ["partner_id", "id"], unique=False)
    op.create_table(
        "partner_shown_periods",
        sa.Column("partner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rounds", sa.BigInteger(), nullable=False),
        sa.Column("players", sa.BigInteger(), nullable=False),
        sa.Column("bets", sa.BigInteger(), nullable=False),
        sa.Column("payouts", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(kind = 'game') = (game_id > 0)", name=op.f("ck_partner_shown_periods_game_id")),
        sa.CheckConstraint(
            "kind = 'day' OR extract(day FROM starts) = 1", name=op.f("ck_partner_shown_periods_starts")
        ),
        sa.CheckConstraint("kind IN ('day', 'month', 'game')", name=op.f("ck_partner_shown_periods_kind")),
        sa.CheckConstraint("players >= 0", name=op.f("ck_partner_shown_periods_players")),
        sa.CheckConstraint("profit = bets - payouts", name=op.f("ck_partner_shown_periods_profit")),
        sa.ForeignKeyConstraint(
            ["partner_id", "currency"],
            ["partner_accounts.partner_id", "partner_accounts.currency"],
            name=op.f("fk_partner_shown_periods_partner_id_currency"),
        ),
        sa.PrimaryKeyConstraint(
            "partner_id", "currency", "kind", "starts", "game_id", name=op.f("pk_partner_shown_periods")
        ),
    )
    op.create_table(
        "partner_statements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'closed'"), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bets", sa.BigInteger(), nullable=False),
        sa.Column("payouts", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("written_off", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("payable", sa.BigInteger(), nullable=False),
        sa.Column("carried", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'closed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name=op.f("ck_partner_statements_decision"),
        ),
        sa.CheckConstraint(
            "(state = 'paid') = (paid_at IS NOT NULL)", name=op.f("ck_partner_statements_paid_at")
        ),
        sa.CheckConstraint(
            "state IN ('closed', 'declined') OR (state = 'rolled_over') = (payable = 0)",
            name=op.f("ck_partner_statements_state_payable"),
        ),
        sa.CheckConstraint(
            "state IN ('closed', 'declined', 'payable', 'paid', 'rolled_over')",
            name=op.f("ck_partner_statements_state"),
        ),
        sa.CheckConstraint(
            "closing = payable + carried AND payable >= 0 AND (payable = 0 OR carried = 0) AND (payable = 0 OR payable >= minimum)",
            name=op.f("ck_partner_statements_payable"),
        ),
        sa.CheckConstraint("decided_by <> closed_by", name=op.f("ck_partner_statements_second_person")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_partner_statements_month")),
        sa.CheckConstraint(
            "opening + earned + written_off = closing", name=op.f("ck_partner_statements_closing")
        ),
        sa.CheckConstraint("profit = bets - payouts", name=op.f("ck_partner_statements_profit")),
        sa.CheckConstraint(
            "written_off >= 0 AND minimum >= 0 AND rows >= 0", name=op.f("ck_partner_statements_amounts")
        ),
        sa.ForeignKeyConstraint(["closed_by"], ["logins.id"], name=op.f("fk_partner_statements_closed_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["logins.id"], name=op.f("fk_partner_statements_decided_by")),
        sa.ForeignKeyConstraint(
            ["partner_id", "currency"],
            ["partner_accounts.partner_id", "partner_accounts.currency"],
            name=op.f("fk_partner_statements_partner_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id", "operator_id"],
            ["partners.id", "partners.operator_id"],
            name=op.f("fk_partner_statements_partner_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_statements")),
        sa.UniqueConstraint(
            "id", "partner_id", "currency", name=op.f("uq_partner_statements_id_partner_id_currency")
        ),
    )
    op.create_index(
        "ix_partner_statements_inbox",
        "partner_statements",
        ["operator_id", "state", "month", "id"],
        unique=False,
    )
    op.create_index(
        "uq_partner_statements_month",
        "partner_statements",
        ["partner_id", "currency", "month"],
        unique=True,
        postgresql_where=sa.text("state <> 'declined'"),
    )
    op.create_table(
        "partner_minimums",
        sa.Column("contract_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_partner_minimums_currency")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_partner_minimums_amount")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["partner_contracts.id"], name=op.f("fk_partner_minimums_contract_id")
        ),
        sa.PrimaryKeyConstraint("contract_id", "currency", name=op.f("pk_partner_minimums")),
    )
    op.create_table(
        "partner_period_players",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.CheckConstraint("kind IN ('day', 'month', 'game')", name=op.f("ck_partner_period_players_kind")),
        sa.ForeignKeyConstraint(
            ["partner_id", "currency"],
            ["partner_accounts.partner_id", "partner_accounts.currency"],
            name=op.f("fk_partner_period_players_partner_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["players.id"], name=op.f("fk_partner_period_players_player_id")
        ),
        sa.PrimaryKeyConstraint(
            "player_id",
            "partner_id",
            "currency",
            "kind",
            "starts",
            "game_id",
            name=op.f("pk_partner_period_players"),
        ),
    )
    op.create_table(
        "partner_statement_lines",
        sa.Column("statement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contract_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("loss_policy", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bets", sa.BigInteger(), nullable=False),
        sa.Column("payouts", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("corrected", sa.BigInteger(), nullable=False),
        sa.Column("written_off", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "loss_policy IN ('per_round', 'period', 'carry')",
            name=op.f("ck_partner_statement_lines_loss_policy"),
        ),
        sa.CheckConstraint(
            "written_off >= 0 AND (written_off = 0 OR loss_policy = 'period')",
            name=op.f("ck_partner_statement_lines_written_off"),
        ),
        sa.CheckConstraint("profit = bets - payouts", name=op.f("ck_partner_statement_lines_profit")),
        sa.ForeignKeyConstraint(
            ["statement_id", "partner_id", "currency"],
            ["partner_statements.id", "partner_statements.partner_id", "partner_statements.currency"],
            name=op.f("fk_partner_statement_lines_statement_id_partner_id_currency"),
        ),
        sa.PrimaryKeyConstraint("statement_id", "contract_version", name=op.f("pk_partner_statement_lines")),
    )
    op.create_table(
        "referrals",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=True),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id", "operator_id"],
            ["partners.id", "partners.operator_id"],
            name=op.f("fk_referrals_partner_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["players.id", "players.operator_id"],
            name=op.f("fk_referrals_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "since", name=op.f("pk_referrals")),
    )
    op.create_index("ix_referrals_partner_id_since", "referrals", ["partner_id", "since"], unique=False)
    op.create_table(
        "partner_game_earnings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("settlement_version", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("real_bets", sa.BigInteger(), nullable=False),
        sa.Column("real_payouts", sa.BigInteger(), nullable=False),
        sa.Column("real_profit", sa.BigInteger(), nullable=False),
        sa.Column("share_bp", sa.BigInteger(), nullable=False),
        sa.Column("rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("loss_policy", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_partner_game_earnings_currency")),
        sa.CheckConstraint(
            "loss_policy IN ('per_round', 'period', 'carry')",
            name=op.f("ck_partner_game_earnings_loss_policy"),
        ),
        sa.CheckConstraint(
            "real_profit = real_bets - real_payouts", name=op.f("ck_partner_game_earnings_real_profit")
        ),
        sa.ForeignKeyConstraint(
            ["contract_id", "partner_id"],
            ["partner_contracts.id", "partner_contracts.partner_id"],
            name=op.f("fk_partner_game_earnings_contract_id_partner_id"),
        ),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_partner_game_earnings_game_id")),
        sa.ForeignKeyConstraint(
            ["partner_id", "operator_id"],
            ["partners.id", "partners.operator_id"],
            name=op.f("fk_partner_game_earnings_partner_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["round_id", "settlement_version"],
            ["round_settlements.round_id", "round_settlements.version"],
            name=op.f("fk_partner_game_earnings_round_id_settlement_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_game_earnings")),
        sa.UniqueConstraint("id", "partner_id", name=op.f("uq_partner_game_earnings_id_partner_id")),
        sa.UniqueConstraint(
            "partner_id",
            "contract_id",
            "round_id",
            "currency",
            "settlement_version",
            name=op.f("uq_partner_game_earnings_partner_id_contract_id_round_id_currency_settlement_version"),
        ),
    )
    op.create_index(
        "ix_partner_game_earnings_partner_id_id",
        "partner_game_earnings",
        ["partner_id", "id"],
        unique=False,
        postgresql_include=["real_bets", "real_payouts"],
    )
    op.create_index(
        "ix_partner_game_earnings_round_id",
        "partner_game_earnings",
        ["round_id", "settlement_version"],
        unique=False,
    )
    op.create_table(
        "partner_shown_earnings",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("game_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("round_number", sa.BigInteger(), nullable=False),
        sa.Column("settlement_version", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("players", sa.BigInteger(), nullable=False),
        sa.Column("bets", sa.BigInteger(), nullable=False),
        sa.Column("payouts", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("approve_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("statement_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state <> 'paid' OR statement_id IS NOT NULL) AND (statement_id IS NULL OR state IN ('approved', 'paid'))",
            name=op.f("ck_partner_shown_earnings_statement_id"),
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
            name=op.f("ck_partner_shown_earnings_decision"),
        ),
        sa.CheckConstraint(
            "(state = 'rejected') = (reason IS NOT NULL) AND length(reason) BETWEEN 1 AND 500",
            name=op.f("ck_partner_shown_earnings_reason"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'paid', 'rejected')",
            name=op.f("ck_partner_shown_earnings_state"),
        ),
        sa.CheckConstraint("profit = bets - payouts", name=op.f("ck_partner_shown_earnings_profit")),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_partner_shown_earnings_game_id")),
        sa.ForeignKeyConstraint(
            ["id", "partner_id"],
            ["partner_game_earnings.id", "partner_game_earnings.partner_id"],
            name=op.f("fk_partner_shown_earnings_id_partner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["statement_id", "partner_id", "currency"],
            ["partner_statements.id", "partner_statements.partner_id", "partner_statements.currency"],
            name=op.f("fk_partner_shown_earnings_statement_id_partner_id_currency"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_shown_earnings")),
    )
    op.create_index(
        "ix_partner_shown_earnings_approve_at",
        "partner_shown_earnings",
        ["approve_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_partner_shown_earnings_partner_id_day_id",
        "partner_shown_earnings",
        ["partner_id", "day", "id"],
        unique=False,
    )
    op.create_index(
        "ix_partner_shown_earnings_partner_id_id",
        "partner_shown_earnings",
        ["partner_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_partner_shown_earnings_statement_id",
        "partner_shown_earnings",
        ["statement_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_partner_shown_earnings_unstated",
        "partner_shown_earnings",
        ["partner_id", "currency", "state", "day"],
        unique=False,
        postgresql_where=sa.text("statement_id IS NULL"),
    )
