"""The first schema: people, players, wallets, the journal, alerts, rules and the audit trail.

Append-only tables are so by grant: the application may insert and select, nothing else.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261121_0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "wallet_entries",
    "refusals",
    "player_notes",
    "vip_rule_versions",
    "vip_level_changes",
    "staff_log",
    "anchors",
    "anchor_heads",
    "verifications",
)
CHANGEABLE = (
    "operators",
    "logins",
    "players",
    "player_handles",
    "wallets",
    "balances",
    "vip_levels",
    "vip_rules",
    "alerts",
)
PASSING = ("sign_in_sessions", "sign_in_addresses")


def upgrade() -> None:
    create_tables()
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO purser_app")
    for table in CHANGEABLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO purser_app")
    for table in PASSING:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join(readable())} TO purser_report")


def readable() -> list[str]:
    """What reports may read: everything but passwords and sessions."""
    return [*APPEND_ONLY, *(table for table in CHANGEABLE if table != "logins")]


def create_tables() -> None:
    op.create_table(
        "anchors",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("balances", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("heads", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id > 0", name=op.f("ck_anchors_id")),
        sa.CheckConstraint(
            "octet_length(root) = 32 AND octet_length(seal) = 32", name=op.f("ck_anchors_digests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchors")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("money", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_operators_currency")),
        sa.CheckConstraint("money IN ('play', 'real')", name=op.f("ck_operators_money")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_operators_name")),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'", name=op.f("ck_operators_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("slug", name=op.f("uq_operators_slug")),
    )
    op.create_table(
        "sign_in_addresses",
        sa.Column("address", postgresql.INET(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("failures > 0", name=op.f("ck_sign_in_addresses_failures")),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_sign_in_addresses")),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("balances", sa.BigInteger(), nullable=False),
        sa.Column("anchors", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.CheckConstraint("jsonb_typeof(findings::jsonb) = 'array'", name=op.f("ck_verifications_findings")),
        sa.CheckConstraint("ok = (findings::jsonb = '[]'::jsonb)", name=op.f("ck_verifications_ok")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_table(
        "anchor_heads",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchor_id", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(head) = 32", name=op.f("ck_anchor_heads_head")),
        sa.ForeignKeyConstraint(["anchor_id"], ["anchors.id"], name=op.f("fk_anchor_heads_anchor_id")),
        sa.PrimaryKeyConstraint("player_id", "currency", "version", name=op.f("pk_anchor_heads")),
    )
    op.create_index("ix_anchor_heads_anchor_id", "anchor_heads", ["anchor_id"], unique=False)
    op.create_table(
        "logins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name=op.f("ck_logins_email")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_logins_name")),
        sa.CheckConstraint(
            "role IN ('agent', 'manager', 'admin', 'auditor', 'partner')", name=op.f("ck_logins_role")
        ),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_logins_failures")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_logins_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
    )
    op.create_index("uq_logins_email", "logins", ["email"], unique=True)
    op.create_table(
        "staff_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=True),
        sa.Column("performed_by", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("player_id", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("logged_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("jsonb_typeof(details::jsonb) = 'object'", name=op.f("ck_staff_log_details")),
        sa.CheckConstraint("performed_by <> '' AND action <> ''", name=op.f("ck_staff_log_who_and_what")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_staff_log_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_log")),
    )
    op.create_index("ix_staff_log_operator_id_id", "staff_log", ["operator_id", "id"], unique=False)
    op.create_index("ix_staff_log_player_id_id", "staff_log", ["player_id", "id"], unique=False)
    op.create_table(
        "vip_levels",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("xp_from", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(level = 'default') = (xp_from IS NULL)", name=op.f("ck_vip_levels_xp_from")),
        sa.CheckConstraint(
            "level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_vip_levels_level"),
        ),
        sa.CheckConstraint("xp_from >= 0", name=op.f("ck_vip_levels_xp_from_positive")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_vip_levels_operator_id")),
        sa.PrimaryKeyConstraint("operator_id", "level", name=op.f("pk_vip_levels")),
        sa.UniqueConstraint("operator_id", "xp_from", name=op.f("uq_vip_levels_operator_id_xp_from")),
    )
    op.create_table(
        "vip_rules",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("min_balance", sa.BigInteger(), nullable=False),
        sa.Column("max_balance", sa.BigInteger(), nullable=False),
        sa.Column("daily_limit", sa.BigInteger(), nullable=False),
        sa.Column("weekly_limit", sa.BigInteger(), nullable=False),
        sa.Column("warning_threshold", sa.BigInteger(), nullable=False),
        sa.Column("critical_threshold", sa.BigInteger(), nullable=False),
        sa.Column("drop_percent", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_vip_rules_currency")),
        sa.CheckConstraint(
            "level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_vip_rules_level"),
        ),
        sa.CheckConstraint(
            "critical_threshold >= 0 AND warning_threshold >= critical_threshold",
            name=op.f("ck_vip_rules_thresholds"),
        ),
        sa.CheckConstraint(
            "daily_limit > 0 AND weekly_limit >= daily_limit", name=op.f("ck_vip_rules_limits")
        ),
        sa.CheckConstraint("drop_percent BETWEEN 1 AND 100", name=op.f("ck_vip_rules_drop_percent")),
        sa.CheckConstraint("min_balance <= 0 AND max_balance > 0", name=op.f("ck_vip_rules_range")),
        sa.CheckConstraint("version > 0", name=op.f("ck_vip_rules_version")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_vip_rules_operator_id")),
        sa.PrimaryKeyConstraint("operator_id", "level", "currency", name=op.f("pk_vip_rules")),
    )
    op.create_table(
        "players",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_players_country")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_players_email")),
        sa.CheckConstraint("length(external_id) BETWEEN 1 AND 100", name=op.f("ck_players_external_id")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_players_name")),
        sa.ForeignKeyConstraint(["agent_id"], ["logins.id"], name=op.f("fk_players_agent_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_players_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_players")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_players_id_operator_id")),
    )
    op.create_index("ix_players_agent_id_id", "players", ["agent_id", "id"], unique=False)
    op.create_index(
        "ix_players_name_words",
        "players",
        [sa.literal_column("to_tsvector('simple', name)")],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index("ix_players_operator_id_id", "players", ["operator_id", "id"], unique=False)
    op.create_table(
        "sign_in_sessions",
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.CheckConstraint("length(user_agent) <= 300", name=op.f("ck_sign_in_sessions_user_agent")),
        sa.CheckConstraint("octet_length(id_hash) = 32", name=op.f("ck_sign_in_sessions_id_hash")),
        sa.ForeignKeyConstraint(
            ["login_id"], ["logins.id"], name=op.f("fk_sign_in_sessions_login_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_sign_in_sessions")),
    )
    op.create_index("ix_sign_in_sessions_login_id", "sign_in_sessions", ["login_id"], unique=False)
    op.create_table(
        "vip_rule_versions",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("min_balance", sa.BigInteger(), nullable=False),
        sa.Column("max_balance", sa.BigInteger(), nullable=False),
        sa.Column("daily_limit", sa.BigInteger(), nullable=False),
        sa.Column("weekly_limit", sa.BigInteger(), nullable=False),
        sa.Column("warning_threshold", sa.BigInteger(), nullable=False),
        sa.Column("critical_threshold", sa.BigInteger(), nullable=False),
        sa.Column("drop_percent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_vip_rule_versions_currency")),
        sa.CheckConstraint(
            "level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_vip_rule_versions_level"),
        ),
        sa.CheckConstraint(
            "critical_threshold >= 0 AND warning_threshold >= critical_threshold",
            name=op.f("ck_vip_rule_versions_thresholds"),
        ),
        sa.CheckConstraint(
            "daily_limit > 0 AND weekly_limit >= daily_limit", name=op.f("ck_vip_rule_versions_limits")
        ),
        sa.CheckConstraint("drop_percent BETWEEN 1 AND 100", name=op.f("ck_vip_rule_versions_drop_percent")),
        sa.CheckConstraint("min_balance <= 0 AND max_balance > 0", name=op.f("ck_vip_rule_versions_range")),
        sa.CheckConstraint("version > 0", name=op.f("ck_vip_rule_versions_version")),
        sa.ForeignKeyConstraint(
            ["operator_id", "level", "currency"],
            ["vip_rules.operator_id", "vip_rules.level", "vip_rules.currency"],
            name=op.f("fk_vip_rule_versions_operator_id_level_currency"),
        ),
        sa.PrimaryKeyConstraint(
            "operator_id", "level", "currency", "version", name=op.f("pk_vip_rule_versions")
        ),
    )
    op.create_table(
        "player_handles",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("handle = lower(handle) AND handle <> ''", name=op.f("ck_player_handles_handle")),
        sa.CheckConstraint("kind IN ('external_id', 'email')", name=op.f("ck_player_handles_kind")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["players.id", "players.operator_id"],
            name=op.f("fk_player_handles_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("operator_id", "kind", "handle", name=op.f("pk_player_handles")),
    )
    op.create_index("ix_player_handles_player_id", "player_handles", ["player_id"], unique=False)
    op.create_index(
        "ix_player_handles_prefix",
        "player_handles",
        ["operator_id", "handle"],
        postgresql_ops={"handle": "text_pattern_ops"},
        unique=False,
    )
    op.create_table(
        "player_notes",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("written_by", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 2000", name=op.f("ck_player_notes_body")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["players.id", "players.operator_id"],
            name=op.f("fk_player_notes_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(["written_by"], ["logins.id"], name=op.f("fk_player_notes_written_by")),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_player_notes")),
    )
    op.create_table(
        "wallets",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_by", sa.BigInteger(), nullable=True),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vip_level", sa.Text(), server_default=sa.text("'default'"), nullable=False),
        sa.Column("xp", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_xp", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "status = 'active' OR (coalesce(status_reason, '') <> '' AND status_at IS NOT NULL)",
            name=op.f("ck_wallets_status_reason"),
        ),
        sa.CheckConstraint("status IN ('active', 'frozen', 'closed')", name=op.f("ck_wallets_status")),
        sa.CheckConstraint(
            "vip_level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_wallets_vip_level"),
        ),
        sa.CheckConstraint("xp >= 0 AND total_xp >= xp", name=op.f("ck_wallets_xp")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["players.id", "players.operator_id"],
            name=op.f("fk_wallets_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(["status_by"], ["logins.id"], name=op.f("fk_wallets_status_by")),
        sa.PrimaryKeyConstraint("player_id", name=op.f("pk_wallets")),
        sa.UniqueConstraint("player_id", "operator_id", name=op.f("uq_wallets_player_id_operator_id")),
    )
    op.create_index(
        "ix_wallets_operator_id_status", "wallets", ["operator_id", "status", "player_id"], unique=False
    )
    op.create_index(
        "ix_wallets_operator_id_vip_level", "wallets", ["operator_id", "vip_level", "player_id"], unique=False
    )
    op.create_table(
        "balances",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bonus", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), sa.Computed("real + bonus", persisted=True), nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("turnover", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deposited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("wagered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("won", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("real_losses", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bonus_losses", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active_hours", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "head",
            sa.LargeBinary(),
            server_default=sa.text("decode(repeat('00', 32), 'hex')"),
            nullable=False,
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_balances_currency")),
        sa.CheckConstraint("bonus >= 0", name=op.f("ck_balances_bonus")),
        sa.CheckConstraint("octet_length(head) = 32", name=op.f("ck_balances_head")),
        sa.CheckConstraint("pending >= 0", name=op.f("ck_balances_pending")),
        sa.CheckConstraint("version >= 0", name=op.f("ck_balances_version")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_balances_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", name=op.f("pk_balances")),
        sa.UniqueConstraint(
            "player_id", "currency", "operator_id", name=op.f("uq_balances_player_id_currency_operator_id")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_balances_operator_id", "balances", ["operator_id"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("real_delta", sa.BigInteger(), nullable=False),
        sa.Column("bonus_delta", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("performed_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_refusals_change_type"),
        ),
        sa.CheckConstraint("jsonb_typeof(errors::jsonb) = 'array'", name=op.f("ck_refusals_errors")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_refusals_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_refusals")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_refusals_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_refusals_operator_id_refused_at", "refusals", ["operator_id", "refused_at"], unique=False
    )
    op.create_table(
        "vip_level_changes",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("from_level", sa.Text(), nullable=False),
        sa.Column("to_level", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("total_xp", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "from_level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_vip_level_changes_from_level"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_vip_level_changes_reason")),
        sa.CheckConstraint(
            "to_level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_vip_level_changes_to_level"),
        ),
        sa.CheckConstraint("from_level <> to_level", name=op.f("ck_vip_level_changes_different")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_vip_level_changes_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_vip_level_changes")),
    )
    op.create_table(
        "alerts",
        sa.Column("player_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("hits", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("peak", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_hit_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_by", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(acknowledged_by IS NULL) = (acknowledged_at IS NULL) AND (state <> 'acknowledged' OR acknowledged_at IS NOT NULL) AND (state <> 'open' OR acknowledged_at IS NULL)",
            name=op.f("ck_alerts_acknowledged"),
        ),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL) AND (resolved_by IS NULL) = (resolved_at IS NULL)",
            name=op.f("ck_alerts_resolved"),
        ),
        sa.CheckConstraint("severity IN ('warning', 'critical')", name=op.f("ck_alerts_severity")),
        sa.CheckConstraint("state IN ('open', 'acknowledged', 'resolved')", name=op.f("ck_alerts_state")),
        sa.CheckConstraint(
            "type IN ('warning', 'critical', 'limit_exceeded', 'significant_drop', 'negative', 'unusual')",
            name=op.f("ck_alerts_type"),
        ),
        sa.CheckConstraint("hits > 0", name=op.f("ck_alerts_hits")),
        sa.ForeignKeyConstraint(["acknowledged_by"], ["logins.id"], name=op.f("fk_alerts_acknowledged_by")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_alerts_player_id_currency_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_inbox", "alerts", ["operator_id", "state", "last_hit_at", "player_id", "id"], unique=False
    )
    op.create_index(
        "uq_alerts_unresolved",
        "alerts",
        ["player_id", "currency", "type"],
        unique=True,
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_table(
        "wallet_entries",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("real_delta", sa.BigInteger(), nullable=False),
        sa.Column("bonus_delta", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("real_after", sa.BigInteger(), nullable=False),
        sa.Column("bonus_after", sa.BigInteger(), nullable=False),
        sa.Column(
            "real_before",
            sa.BigInteger(),
            sa.Computed("real_after - real_delta", persisted=True),
            nullable=False,
        ),
        sa.Column(
            "bonus_before",
            sa.BigInteger(),
            sa.Computed("bonus_after - bonus_delta", persisted=True),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("performed_by", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("metadata", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("risk_score", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(change_type = 'reversal') = (reverses IS NOT NULL)", name=op.f("ck_wallet_entries_reversal")
        ),
        sa.CheckConstraint(
            "CASE change_type WHEN 'deposit' THEN real_delta > 0 AND bonus_delta = 0 AND contra_account = 'cash' WHEN 'withdrawal' THEN real_delta < 0 AND bonus_delta = 0 AND contra_account = 'cash' WHEN 'adjustment' THEN contra_account = 'adjustments' WHEN 'fee' THEN real_delta < 0 AND bonus_delta = 0 AND contra_account = 'fees' WHEN 'wager' THEN real_delta <= 0 AND bonus_delta <= 0 AND contra_account = 'gaming' WHEN 'settlement' THEN real_delta >= 0 AND bonus_delta >= 0 AND contra_account = 'gaming' WHEN 'refund' THEN real_delta >= 0 AND bonus_delta >= 0 AND contra_account = 'gaming' WHEN 'bonus_grant' THEN real_delta = 0 AND bonus_delta > 0 AND contra_account = 'promotions' WHEN 'bonus_forfeit' THEN real_delta = 0 AND bonus_delta < 0 AND contra_account = 'promotions' WHEN 'bonus_expiry' THEN real_delta = 0 AND bonus_delta < 0 AND contra_account = 'promotions' WHEN 'bonus_conversion' THEN real_delta > 0 AND bonus_delta < 0  AND contra_account = 'promotions' WHEN 'transfer' THEN bonus_delta = 0 AND contra_account = 'transfers' WHEN 'opening' THEN bonus_delta >= 0 AND contra_account = 'opening' WHEN 'points_conversion' THEN real_delta > 0 AND bonus_delta = 0  AND contra_account = 'promotions' ELSE true END",
            name=op.f("ck_wallet_entries_direction"),
        ),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_wallet_entries_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_wallet_entries_contra_account"),
        ),
        sa.CheckConstraint(
            "jsonb_typeof(metadata::jsonb) = 'object'", name=op.f("ck_wallet_entries_metadata")
        ),
        sa.CheckConstraint("performed_by <> ''", name=op.f("ck_wallet_entries_performed_by")),
        sa.CheckConstraint("bonus_after >= 0", name=op.f("ck_wallet_entries_bonus_after")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_wallet_entries_idempotency_key")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_wallet_entries_reason")),
        sa.CheckConstraint("length(reference) BETWEEN 1 AND 100", name=op.f("ck_wallet_entries_reference")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_wallet_entries_fingerprint")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_wallet_entries_hash")),
        sa.CheckConstraint("real_delta <> 0 OR bonus_delta <> 0", name=op.f("ck_wallet_entries_moves")),
        sa.CheckConstraint("reverses < sequence", name=op.f("ck_wallet_entries_reverses")),
        sa.CheckConstraint("risk_score BETWEEN 0 AND 100", name=op.f("ck_wallet_entries_risk_score")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_wallet_entries_sequence")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
            name=op.f("fk_wallet_entries_player_id_currency_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "reverses"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_wallet_entries_player_id_currency_reverses"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", "sequence", name=op.f("pk_wallet_entries")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_wallet_entries_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_wallet_entries_by_type",
        "wallet_entries",
        ["player_id", "currency", "change_type", "created_at"],
        unique=False,
        postgresql_include=["real_delta"],
    )
    op.create_index(
        "ix_wallet_entries_recent",
        "wallet_entries",
        ["operator_id", "created_at", "player_id", "currency", "sequence"],
        unique=False,
        postgresql_include=["change_type", "contra_account", "real_delta", "bonus_delta"],
    )
    op.create_index(
        "uq_wallet_entries_reverses",
        "wallet_entries",
        ["player_id", "currency", "reverses"],
        unique=True,
        postgresql_where=sa.text("reverses IS NOT NULL"),
    )


def downgrade() -> None:
    for table in (
        "wallet_entries",
        "alerts",
        "vip_level_changes",
        "refusals",
        "balances",
        "wallets",
        "player_notes",
        "player_handles",
        "vip_rule_versions",
        "sign_in_sessions",
        "players",
        "vip_rules",
        "vip_levels",
        "staff_log",
        "logins",
        "anchor_heads",
        "verifications",
        "sign_in_addresses",
        "operators",
        "anchors",
    ):
        op.drop_table(table)
