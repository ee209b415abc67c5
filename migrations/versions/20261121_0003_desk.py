"""The desk complete: allowances, requests that wait, withdrawals, bulk, the life of alerts, second factors.

Revision 20261121_0003, after 20261121_0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0003"
down_revision = "20261121_0002"
branch_labels = None
depends_on = None

NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
APPENDED_AND_KEPT = (
    "allowances",
    "bulk_runs",
    "bulk_rows",
    "one_time_links",
)
PASSING = ("saved_views", "second_factors", "recovery_codes")
# What was asked for stands; only how it goes on may be written. A decided one cannot be inserted either:
# nobody may write a decision but by UPDATE, and there a CHECK asks for a second person.
ENDING = ("state", "decided_by", "decided_at", "decision_reason", "ended_at")
UPDATABLE = {
    "change_requests": (*ENDING, "post_at", "outcome", "sequence"),
    "setting_requests": ENDING,
    "withdrawals": ("state", "ended_by", "ended_at", "end_reason", "sequence"),
}
DECIDED = (
    "decided_by",
    "decided_at",
    "decision_reason",
    "ended_at",
    "ended_by",
    "end_reason",
    "outcome",
    "sequence",
)


def upgrade() -> None:
    create_tables()
    extend_tables()
    for table in APPENDED_AND_KEPT:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO purser_app")
    for table in PASSING:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO purser_app")
    for table, columns in UPDATABLE.items():
        op.execute(f"GRANT SELECT, UPDATE ({', '.join(columns)}) ON {table} TO purser_app")
        op.execute(f"GRANT INSERT ({', '.join(_columns_at_first(table))}) ON {table} TO purser_app")
    # Whether the schema is that of the release is asked by those who send work to a process.
    op.execute("GRANT SELECT ON alembic_version TO purser_app")
    readable = [t for t in (*APPENDED_AND_KEPT, *UPDATABLE) if t != "one_time_links"]
    op.execute(f"GRANT SELECT ON {', '.join(readable)} TO purser_report")


def _columns_at_first(table: str) -> list[str]:
    """The columns that a new row may come with."""
    names = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
    return [
        name for name in names if name not in DECIDED and not (table == "withdrawals" and name == "state")
    ]


def create_tables() -> None:
    op.create_table(
        "allowances",
        sa.Column("login_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("per_change", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("per_day", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("largest", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_allowances_currency")),
        sa.CheckConstraint("largest >= 0", name=op.f("ck_allowances_largest")),
        sa.CheckConstraint("per_change >= 0 AND per_day >= per_change", name=op.f("ck_allowances_amounts")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_allowances_login_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_allowances_operator_id")),
        sa.PrimaryKeyConstraint("login_id", "currency", name=op.f("pk_allowances")),
    )
    op.create_table(
        "bulk_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'checking'"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("amounts_meant", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state NOT IN ('posting', 'done') OR mode IS NOT NULL", name=op.f("ck_bulk_runs_mode_chosen")
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_bulk_runs_digest")),
        sa.CheckConstraint(
            "(state IN ('done', 'cancelled')) = (ended_at IS NOT NULL)", name=op.f("ck_bulk_runs_ended_at")
        ),
        sa.CheckConstraint("mode IN ('all_or_nothing', 'best_effort')", name=op.f("ck_bulk_runs_mode")),
        sa.CheckConstraint(
            "state IN ('checking', 'checked', 'posting', 'done', 'cancelled')",
            name=op.f("ck_bulk_runs_state"),
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_bulk_runs_name")),
        sa.ForeignKeyConstraint(["made_by"], ["logins.id"], name=op.f("fk_bulk_runs_made_by")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_bulk_runs_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
    )
    op.create_index("ix_bulk_runs_operator_id_id", "bulk_runs", ["operator_id", "id"], unique=False)
    op.create_index("ix_bulk_runs_operator_id_digest", "bulk_runs", ["operator_id", "digest"], unique=False)
    op.create_table(
        "one_time_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('invitation', 'reset')", name=op.f("ck_one_time_links_purpose")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_one_time_links_expires_at")),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_one_time_links_token_hash")),
        sa.ForeignKeyConstraint(["created_by"], ["logins.id"], name=op.f("fk_one_time_links_created_by")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_one_time_links_login_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_one_time_links")),
    )
    op.create_index("ix_one_time_links_login_id", "one_time_links", ["login_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("login_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(code_hash) = 32", name=op.f("ck_recovery_codes_code_hash")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_recovery_codes_login_id")),
        sa.PrimaryKeyConstraint("login_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("shared_with", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "shared_with IN ('agent', 'manager', 'admin', 'auditor', 'partner')",
            name=op.f("ck_saved_views_shared_with"),
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_saved_views_name")),
        sa.CheckConstraint("length(query) <= 2000", name=op.f("ck_saved_views_query")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_saved_views_login_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_saved_views_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("login_id", "page", "name", name=op.f("uq_saved_views_login_id_page_name")),
    )
    op.create_index("ix_saved_views_operator_id_page", "saved_views", ["operator_id", "page"], unique=False)
    op.create_table(
        "second_factors",
        sa.Column("login_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last_step >= 0", name=op.f("ck_second_factors_last_step")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_second_factors_login_id")),
        sa.PrimaryKeyConstraint("login_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "setting_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_setting_requests_ended_at")
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name=op.f("ck_setting_requests_decision"),
        ),
        sa.CheckConstraint("jsonb_typeof(after::jsonb) = 'object'", name=op.f("ck_setting_requests_after")),
        sa.CheckConstraint("jsonb_typeof(before::jsonb) = 'object'", name=op.f("ck_setting_requests_before")),
        sa.CheckConstraint(
            "kind IN ('vip_rule', 'allowance', 'role', 'operator')", name=op.f("ck_setting_requests_kind")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'declined', 'lapsed')", name=op.f("ck_setting_requests_state")
        ),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_setting_requests_second_person")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_setting_requests_reason")),
        sa.ForeignKeyConstraint(["decided_by"], ["logins.id"], name=op.f("fk_setting_requests_decided_by")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_setting_requests_operator_id")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["logins.id"], name=op.f("fk_setting_requests_requested_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting_requests")),
    )
    op.create_index(
        "ix_setting_requests_inbox",
        "setting_requests",
        ["operator_id", "state", "requested_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_setting_requests_waiting",
        "setting_requests",
        ["operator_id", "kind", "subject"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "bulk_rows",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("typed", sa.Text(), nullable=False),
        sa.Column("player_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("change_type", sa.Text(), nullable=True),
        sa.Column("real_delta", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("waits", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("largest", sa.BigInteger(), nullable=True),
        sa.Column("real_before", sa.BigInteger(), nullable=True),
        sa.Column("real_after", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'posted') = (sequence IS NOT NULL)", name=op.f("ck_bulk_rows_sequence")),
        sa.CheckConstraint(
            "(state = 'waiting') = (request_id IS NOT NULL)", name=op.f("ck_bulk_rows_request_id")
        ),
        sa.CheckConstraint("state <> 'refused' OR message IS NOT NULL", name=op.f("ck_bulk_rows_message")),
        sa.CheckConstraint(
            "state IN ('read', 'ready', 'refused', 'posted', 'waiting')", name=op.f("ck_bulk_rows_state")
        ),
        sa.CheckConstraint("line > 0", name=op.f("ck_bulk_rows_line")),
        sa.ForeignKeyConstraint(["player_id"], ["players.id"], name=op.f("fk_bulk_rows_player_id")),
        sa.ForeignKeyConstraint(["run_id"], ["bulk_runs.id"], name=op.f("fk_bulk_rows_run_id")),
        sa.PrimaryKeyConstraint("run_id", "line", name=op.f("pk_bulk_rows")),
    )
    op.create_index(
        "ix_bulk_rows_ready",
        "bulk_rows",
        ["run_id", "line"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'requested'"), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'paid') = (sequence IS NOT NULL)", name=op.f("ck_withdrawals_entry")),
        sa.CheckConstraint(
            "(state = 'requested') = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)",
            name=op.f("ck_withdrawals_ended"),
        ),
        sa.CheckConstraint("state IN ('requested', 'paid', 'cancelled')", name=op.f("ck_withdrawals_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_withdrawals_amount")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_withdrawals_reason")),
        sa.CheckConstraint("length(reference) BETWEEN 1 AND 100", name=op.f("ck_withdrawals_reference")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_withdrawals_fingerprint")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_withdrawals_player_id_currency_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_withdrawals_player_id_currency_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_withdrawals")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_withdrawals_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_withdrawals_inbox",
        "withdrawals",
        ["operator_id", "state", "requested_at", "player_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_withdrawals_open",
        "withdrawals",
        ["player_id", "currency"],
        unique=False,
        postgresql_include=["amount", "requested_at"],
        postgresql_where=sa.text("state = 'requested'"),
    )
    op.create_table(
        "change_requests",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("change_type", sa.Text(), nullable=True),
        sa.Column("real_delta", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bonus_delta", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("withdrawal_id", sa.BigInteger(), nullable=True),
        sa.Column("to_player_id", sa.BigInteger(), nullable=True),
        sa.Column("override", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("real_before", sa.BigInteger(), nullable=True),
        sa.Column("real_after", sa.BigInteger(), nullable=True),
        sa.Column("rule_version", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'unfreeze') = (currency IS NULL) AND (kind = 'unfreeze') = (change_type IS NULL) AND (kind = 'reversal') = (reverses IS NOT NULL) AND (kind = 'payment') = (withdrawal_id IS NOT NULL) AND (kind = 'transfer') = (to_player_id IS NOT NULL) AND (kind = 'unfreeze' OR real_delta <> 0 OR bonus_delta <> 0)",
            name=op.f("ck_change_requests_asked"),
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (outcome IS NOT NULL)", name=op.f("ck_change_requests_outcome")
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name=op.f("ck_change_requests_decision"),
        ),
        sa.CheckConstraint(
            "(state IN ('held', 'waiting')) = (ended_at IS NULL)", name=op.f("ck_change_requests_ended_at")
        ),
        sa.CheckConstraint(
            "(state IN ('posted', 'approved') AND kind <> 'unfreeze') = (sequence IS NOT NULL)",
            name=op.f("ck_change_requests_entry"),
        ),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_change_requests_change_type"),
        ),
        sa.CheckConstraint(
            "jsonb_typeof(override::jsonb) = 'object'", name=op.f("ck_change_requests_override")
        ),
        sa.CheckConstraint(
            "kind IN ('change', 'reversal', 'transfer', 'payment', 'unfreeze')",
            name=op.f("ck_change_requests_kind"),
        ),
        sa.CheckConstraint(
            "state <> 'held' OR (post_at IS NOT NULL AND kind = 'change')",
            name=op.f("ck_change_requests_held"),
        ),
        sa.CheckConstraint(
            "state <> 'waiting' OR lapses_at IS NOT NULL", name=op.f("ck_change_requests_waiting")
        ),
        sa.CheckConstraint(
            "state IN ('held', 'waiting', 'posted', 'taken_back', 'refused', 'approved', 'declined', 'lapsed')",
            name=op.f("ck_change_requests_state"),
        ),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_change_requests_second_person")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_change_requests_idempotency_key")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_change_requests_reason")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_change_requests_fingerprint")),
        sa.CheckConstraint("to_player_id <> player_id", name=op.f("ck_change_requests_to_player_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["logins.id"], name=op.f("fk_change_requests_decided_by")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_change_requests_player_id_currency_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_change_requests_player_id_currency_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_change_requests_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "withdrawal_id"],
            ["withdrawals.player_id", "withdrawals.id"],
            name=op.f("fk_change_requests_player_id_withdrawal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["logins.id"], name=op.f("fk_change_requests_requested_by")
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_change_requests")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_change_requests_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_change_requests_held",
        "change_requests",
        ["post_at"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "ix_change_requests_inbox",
        "change_requests",
        ["operator_id", "state", "requested_at", "player_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_change_requests_requested_by", "change_requests", ["requested_by", "requested_at"], unique=False
    )
    op.create_index(
        "ix_change_requests_waiting",
        "change_requests",
        ["lapses_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )


def extend_tables() -> None:
    op.add_column("alerts", sa.Column("assigned_to", sa.BigInteger(), nullable=True))
    op.add_column("alerts", sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("snooze_reason", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("snoozed_by", sa.BigInteger(), nullable=True))
    op.add_column("alerts", sa.Column("resolution", sa.Text(), nullable=True))
    op.create_index("ix_alerts_operator_id_raised_at", "alerts", ["operator_id", "raised_at"], unique=False)
    op.create_index(
        "ix_alerts_free",
        "alerts",
        ["operator_id", "severity", "raised_at", "player_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND assigned_to IS NULL"),
    )
    op.create_index(
        "ix_players_operator_id_name",
        "players",
        ["operator_id", sa.literal_column("lower(name)"), "id"],
        unique=False,
    )
    op.create_foreign_key(op.f("fk_alerts_snoozed_by"), "alerts", "logins", ["snoozed_by"], ["id"])
    op.create_foreign_key(op.f("fk_alerts_assigned_to"), "alerts", "logins", ["assigned_to"], ["id"])
    op.add_column(
        "balances", sa.Column("largest", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "operators", sa.Column("undo_seconds", sa.BigInteger(), server_default=sa.text("30"), nullable=False)
    )
    op.add_column(
        "operators",
        sa.Column("second_factor_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("logins", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "sign_in_sessions",
        sa.Column("awaits_second_factor", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("vip_rule_versions", sa.Column("approval_threshold", sa.BigInteger()))
    op.execute(f"UPDATE vip_rule_versions SET approval_threshold = {_threshold()}")
    op.alter_column("vip_rule_versions", "approval_threshold", nullable=False)
    op.add_column("vip_rules", sa.Column("approval_threshold", sa.BigInteger()))
    op.execute(f"UPDATE vip_rules SET approval_threshold = {_threshold()}")
    op.alter_column("vip_rules", "approval_threshold", nullable=False)
    op.create_index(
        "ix_wallet_entries_by_staff",
        "wallet_entries",
        ["performed_by", "created_at"],
        unique=False,
        postgresql_include=["player_id", "currency", "change_type", "real_delta", "bonus_delta"],
        postgresql_where=sa.text("performed_by <> 'system'"),
    )
    op.create_index(
        "ix_wallet_entries_reference",
        "wallet_entries",
        ["operator_id", sa.literal_column("lower(reference) text_pattern_ops")],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_check_constraint(
        op.f("ck_vip_rules_approval_threshold"), "vip_rules", "approval_threshold >= 0"
    )
    op.create_check_constraint(
        op.f("ck_vip_rule_versions_approval_threshold"), "vip_rule_versions", "approval_threshold >= 0"
    )
    op.create_check_constraint(
        op.f("ck_operators_undo_seconds"), "operators", "undo_seconds BETWEEN 0 AND 300"
    )
    op.create_check_constraint(op.f("ck_balances_largest"), "balances", "largest >= 0")
    op.execute("""
    UPDATE balances b SET largest = e.largest
    FROM (SELECT player_id, currency, max(abs(real_delta)) AS largest FROM wallet_entries
          GROUP BY player_id, currency) AS e
    WHERE e.player_id = b.player_id AND e.currency = b.currency""")
    op.drop_constraint(op.f("ck_alerts_type"), "alerts")
    op.create_check_constraint(op.f("ck_alerts_type"), "alerts", _types("'held_refused'"))
    op.create_check_constraint(
        op.f("ck_alerts_assigned"),
        "alerts",
        "(assigned_to IS NULL) = (assigned_at IS NULL) AND (taken_at IS NULL OR assigned_to IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_alerts_snoozed"),
        "alerts",
        "(snoozed_until IS NULL) = (snooze_reason IS NULL) AND (snoozed_until IS NULL) = (snoozed_by IS NULL)",
    )
    op.create_check_constraint(
        op.f("ck_alerts_resolution"), "alerts", "resolution IS NULL OR state = 'resolved'"
    )


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM purser_app")
    for table in (
        "change_requests",
        "withdrawals",
        "setting_requests",
        "bulk_rows",
        "bulk_runs",
        "saved_views",
        "one_time_links",
        "recovery_codes",
        "second_factors",
        "allowances",
    ):
        op.drop_table(table)
    op.drop_index("ix_wallet_entries_reference", table_name="wallet_entries")
    op.drop_index("ix_wallet_entries_by_staff", table_name="wallet_entries")
    op.drop_index("ix_players_operator_id_name", table_name="players")
    for table in ("vip_rules", "vip_rule_versions"):
        op.drop_column(table, "approval_threshold")
    op.drop_column("sign_in_sessions", "awaits_second_factor")
    op.drop_column("logins", "last_seen_at")
    op.drop_column("operators", "second_factor_required")
    op.drop_column("operators", "undo_seconds")
    op.drop_column("balances", "largest")
    op.drop_index("ix_alerts_free", table_name="alerts")
    op.drop_index("ix_alerts_operator_id_raised_at", table_name="alerts")
    op.execute("DELETE FROM alerts WHERE type = 'held_refused'")
    op.drop_constraint(op.f("ck_alerts_type"), "alerts")
    op.create_check_constraint(op.f("ck_alerts_type"), "alerts", _types())
    op.drop_constraint(op.f("ck_alerts_assigned"), "alerts")
    op.drop_constraint(op.f("ck_alerts_snoozed"), "alerts")
    op.drop_constraint(op.f("ck_alerts_resolution"), "alerts")
    for column in (
        "assigned_to",
        "assigned_at",
        "taken_at",
        "snoozed_until",
        "snooze_reason",
        "snoozed_by",
        "resolution",
    ):
        op.drop_column("alerts", column)


def _types(*more: str) -> str:
    known = ("'warning'", "'critical'", "'limit_exceeded'", "'significant_drop'", "'negative'", "'unusual'")
    return f"type IN ({', '.join((*known, *more))})"


def _threshold() -> str:
    """500 whole units of the row's currency in its minor units."""
    return f"""500 * CASE
      WHEN currency IN ({_listed(NO_DECIMALS)}) THEN 1
      WHEN currency IN ({_listed(THREE_DECIMALS)}) THEN 1000
      WHEN currency IN ('CLF', 'UYW') THEN 10000
      ELSE 100 END"""


def _listed(codes: str) -> str:
    return ", ".join(f"'{code}'" for code in codes.split())
